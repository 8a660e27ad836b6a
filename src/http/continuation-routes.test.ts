import { expect, test } from "vitest";
import { configuredKeys } from "../../test/support/authenticators.ts";
import { COMPLETIONS, NATIVE as GENERATION } from "../../test/support/calls.ts";
import { ScriptedEngine, saying, scriptedCard, startPart } from "../../test/support/scripted-engine.ts";
import { eventData, hello, post, serve, streamed } from "../../test/support/scripted-service.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const hi = () => new ScriptedEngine(() => saying(["hello", " world"]));

test("a plain answer carries the whole text, who answered and the request id", async () => {
  const { url } = await serve(hi());

  const response = await post(url + COMPLETIONS, hello);

  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(response.headers.get("x-continuo-model")).toBe("scripted-weights");
  const id = response.headers.get("x-request-id");
  expect(id).toMatch(UUID);
  expect(await response.json()).toMatchObject({
    id: `cmpl-${id}`,
    choices: [{ text: "hello world", index: 0, finish_reason: "stop" }],
    usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
  });
});

test("a stream says the same text as the plain answer, and ends with [DONE]", async () => {
  const { url } = await serve(hi());

  const response = await post(url + COMPLETIONS, streamed);
  const text = await response.text();

  expect(response.headers.get("content-type")).toBe("text/event-stream;charset=UTF-8");
  expect(response.headers.get("cache-control")).toBe("no-cache");
  expect(response.headers.get("x-accel-buffering")).toBe("no");
  expect(response.headers.get("x-request-id")).toMatch(UUID);
  const chunks = eventData(text) as { choices: { text: string }[] }[];
  expect(chunks.map(({ choices }) => choices[0]?.text ?? "").join("")).toBe("hello world");
  expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
});

test.each(["/v1/completions", "/v1/completions/", "/compatible-mode/v1/completions/"])("%s is served", async (path) => {
  const { url } = await serve(hi());

  const response = await post(url + path, hello);

  expect(response.status).toBe(200);
});

test("every protocol is served by the same handler", async () => {
  const { url } = await serve(hi());
  const messages = [{ role: "user", content: "hi" }];

  const chat = await post(`${url}/v1/chat/completions`, { model: "m", messages });
  const native = await post(url + GENERATION, {
    model: "m",
    input: { messages },
    parameters: { result_format: "message" },
  });

  expect(await chat.json()).toMatchObject({ choices: [{ message: { content: "hello world" } }] });
  expect(await native.json()).toMatchObject({ output: { choices: [{ message: { content: "hello world" } }] } });
});

test("fields without effect, the caller's and the engine's, are named in a header", async () => {
  const engine = new ScriptedEngine(() => saying(["a"], { ignored: ["topK"], truncatedTokens: 7 }));
  const { url } = await serve(engine);

  const response = await post(url + COMPLETIONS, { ...hello, "größe, neu": 1, top_k: 5 });

  expect(response.headers.get("x-continuo-ignored")).toBe("gr%C3%B6%C3%9Fe%2C%20neu,top_k");
  expect(response.headers.get("x-continuo-truncated")).toBe("7");
});

test("several prompts become choices of one answer, with usage summed", async () => {
  const { url } = await serve(hi());

  const response = await post(url + COMPLETIONS, { model: "m", prompt: ["one", "two", "three"] });

  expect(await response.json()).toMatchObject({
    choices: [{ index: 0, text: "hello world" }, { index: 1 }, { index: 2, text: "hello world" }],
    usage: { prompt_tokens: 9, completion_tokens: 6 },
  });
});

test("best_of keeps the likeliest choices", async () => {
  const scored = (choice: number, text: string, logprob: number) => ({
    type: "delta" as const,
    choice,
    text,
    tokens: [1],
    logprobs: [{ bytes: [], logprob, top: [] }],
  });
  const engine = new ScriptedEngine(() => [
    startPart(),
    scored(0, "worst", -5),
    scored(1, "best", -1),
    { type: "finish", choice: 0, reason: "stop" },
    { type: "finish", choice: 1, reason: "stop" },
    { type: "usage", usage: { promptTokens: 3, completionTokens: 2, source: "engine" } },
  ]);
  const { url } = await serve(engine);

  const response = await post(`${url}/v1/completions`, { ...hello, best_of: 2 });

  expect(await response.json()).toMatchObject({
    choices: [{ index: 0, text: "best" }],
    usage: { completion_tokens: 2 },
  });
});

const keys = configuredKeys(["sk-right"], "default");
const right = { authorization: "Bearer sk-right" };

test.each([
  ["a wrong key with a broken body", { authorization: "Bearer no" }, "{", 401, "invalid_api_key"],
  [
    "a foreign workspace with a broken body",
    { ...right, "x-dashscope-workspace": "ws_x" },
    "{",
    403,
    "Workspace.AccessDenied",
  ],
  ["a body that is no JSON", right, "{", 400, "invalid_parameter_error"],
  ["a body that is no object", right, "[]", 400, "invalid_parameter_error"],
  ["no body", right, "", 400, "invalid_parameter_error"],
  ["no model, and no prompt", right, "{}", 400, "invalid_parameter_error"],
  ["an unknown model with a bad temperature", right, '{"model":"x","temperature":9}', 404, "model_not_found"],
  [
    "a model of another route with a bad temperature",
    right,
    '{"model":"chat-only","temperature":9}',
    404,
    "model_not_supported",
  ],
  [
    "weights that are not there with a bad temperature",
    right,
    '{"model":"gone","temperature":9}',
    503,
    "ModelUnavailable",
  ],
  ["a bad temperature", right, '{"model":"m","prompt":"a","temperature":9}', 400, "invalid_parameter_error"],
])("%s is answered by the first check that fails", async (_case, headers, body, status, code) => {
  const cards = [
    scriptedCard("m"),
    scriptedCard("chat-only", { catalogued: true, completions: false }),
    scriptedCard("gone", { answeredBy: { id: "", standIn: true } }),
  ];
  const engine = hi();
  const { url } = await serve(engine, { authenticator: keys, cards });

  const response = await fetch(url + COMPLETIONS, { method: "POST", headers, body });

  expect(response.status).toBe(status);
  expect(response.headers.get("content-type")).toBe("application/json");
  const answer = (await response.json()) as { error: { code: string }; request_id: string };
  expect(answer.error.code).toBe(code);
  expect(answer.request_id).toBe(response.headers.get("x-request-id"));
  expect(engine.calls).toHaveLength(0);
});
