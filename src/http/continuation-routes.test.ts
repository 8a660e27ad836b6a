import { describe, expect, test } from "vitest";
import { configuredKeys } from "../../test/support/authenticators.ts";
import {
  deltaPart,
  gate,
  ScriptedEngine,
  saying,
  scriptedCard,
  startPart,
} from "../../test/support/scripted-engine.ts";
import { post, serve } from "../../test/support/scripted-service.ts";
import { ServiceError } from "../errors.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const COMPLETIONS = "/compatible-mode/v1/completions";
const GENERATION = "/api/v1/services/aigc/text-generation/generation";
const hello = { model: "m", prompt: "say hello" };
const streamed = { ...hello, stream: true };
const hi = () => new ScriptedEngine(() => saying(["hello", " world"]));

function eventData(text: string): unknown[] {
  const lines = text.split("\n").filter((line) => line.startsWith("data: {"));
  return lines.map((line) => JSON.parse(line.slice("data: ".length)));
}

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
    logprobs: [{ token: text, bytes: [], logprob, top: [] }],
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

test.each([
  ["queue_full", 503, "2", "ModelServingError"],
  ["invalid_parameter", 400, null, "invalid_parameter_error"],
] as const)("%s before the first part is plain JSON on a stream too", async (code, status, retryAfter, wireCode) => {
  const engine = new ScriptedEngine(() => [new ServiceError(code, "no", { retryAfterMs: 1500 })]);
  const { url } = await serve(engine);

  const response = await post(url + COMPLETIONS, streamed);

  expect(response.status).toBe(status);
  expect(response.headers.get("content-type")).toBe("application/json");
  if (retryAfter !== null) expect(response.headers.get("retry-after")).toBe(retryAfter);
  expect(await response.json()).toMatchObject({ error: { code: wireCode } });
});

test("a failure after the first event goes into the stream, without [DONE]", async () => {
  const engine = new ScriptedEngine(() => [startPart(), deltaPart("hel"), new Error("the weights fell over")]);
  const { url, entry } = await serve(engine);

  const response = await post(url + COMPLETIONS, streamed);
  const text = await response.text();

  expect(response.status).toBe(200);
  expect(eventData(text).at(-1)).toMatchObject({ error: { code: "internal_error" } });
  expect(text).not.toContain("[DONE]");
  expect(text).not.toContain("fell over");
  await entry(({ msg }) => msg === "unexpected failure");
  expect(await entry(({ msg }) => msg === "request")).toMatchObject({ outcome: "internal", status: 200 });
});

test("a native stream fails with an event:error that has code and message", async () => {
  const engine = new ScriptedEngine(() => [startPart(), deltaPart("hel"), new Error("lost")]);
  const { url } = await serve(engine);
  const body = { model: "m", input: { prompt: "x" }, parameters: { incremental_output: true } };

  const response = await post(url + GENERATION, body, { headers: { "x-dashscope-sse": "enable" } });
  const text = await response.text();

  expect(text).toMatch(/event:error\n:HTTP_STATUS\/500\ndata:\{"code":"InternalError","message":"[^"]+","request_id":/);
});

test("a bug before the first byte is a 500 that tells only its request id", async () => {
  const { url, entry } = await serve(new ScriptedEngine(() => [new TypeError("secret detail")]));

  const response = await post(url + COMPLETIONS, hello);
  const text = await response.text();

  expect(response.status).toBe(500);
  expect(text).not.toContain("secret detail");
  const logged = await entry(({ msg }) => msg === "unexpected failure");
  expect(logged["requestId"]).toBe(response.headers.get("x-request-id"));
});

test("a plain call cut by the time limit returns what there is, with finish_reason null", async () => {
  const engine = new ScriptedEngine(() => [startPart(), deltaPart("so far"), gate().opened]);
  const { url } = await serve(engine, { limits: { plainTimeoutMs: 100 } });

  const response = await post(url + COMPLETIONS, hello);

  expect(response.status).toBe(200);
  expect(response.headers.get("x-dashscope-partialresponse")).toBe("true");
  expect(await response.json()).toMatchObject({ choices: [{ text: "so far", finish_reason: null }] });
  await (await engine.call()).ended;
});

test.each([
  ["nothing generated", [startPart(), gate().opened]],
  ["not even started", [gate().opened]],
])("a plain call cut by the time limit with %s is a request timeout", async (_case, script) => {
  const { url } = await serve(new ScriptedEngine(() => script), { limits: { plainTimeoutMs: 50 } });

  const response = await post(url + COMPLETIONS, hello);

  expect(response.status).toBe(500);
  expect(await response.json()).toMatchObject({ error: { code: "request_timeout" } });
});

test("the time limit of plain calls does not cut streams", async () => {
  const more = gate();
  const engine = new ScriptedEngine(() => [startPart(), deltaPart("a"), more.opened, ...saying(["b"]).slice(1)]);
  const { url } = await serve(engine, { limits: { plainTimeoutMs: 20, heartbeatMs: 30 } });

  const response = await post(url + COMPLETIONS, streamed);
  const reader = new EventText(response);
  // Two heartbeats later the time limit would have passed.
  await reader.until((text) => text.split(": keep-alive\n\n").length > 2);
  more.open();

  expect(await reader.rest()).toContain("[DONE]");
});

test.each([
  ["first token", { firstTokenTimeoutMs: 50 }, [startPart(), gate().opened], 500],
  ["next token", { idleTimeoutMs: 50 }, [startPart(), deltaPart("a"), gate().opened], 200],
])("a stream whose %s is too long in coming is a request timeout", async (_case, limits, script, status) => {
  const engine = new ScriptedEngine(() => script);
  const { url } = await serve(engine, { limits });

  const response = await post(url + COMPLETIONS, streamed);

  expect(response.status).toBe(status);
  expect(await response.text()).toContain('"code":"request_timeout"');
  await (await engine.call()).ended;
});

test("a stream that has nothing to say sends comment lines", async () => {
  const shut = gate();
  const { url } = await serve(new ScriptedEngine(() => [startPart(), shut.opened, ...saying(["a"]).slice(1)]), {
    limits: { heartbeatMs: 20 },
  });

  const response = await post(url + COMPLETIONS, streamed);
  const reader = new EventText(response);
  await reader.until((text) => text.startsWith(": keep-alive\n\n: keep-alive\n\n"));
  shut.open();

  expect(await reader.rest()).toContain("[DONE]");
});

/** Text of a response as it arrives. */
class EventText {
  readonly #chunks: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = "";

  constructor(response: Response) {
    if (response.body === null) throw new Error("the response has no body");
    this.#chunks = response.body.getReader();
  }

  async until(fits: (text: string) => boolean): Promise<void> {
    while (!fits(this.#text)) if (!(await this.#more())) throw new Error(`the stream ended with ${this.#text}`);
  }

  async rest(): Promise<string> {
    while (await this.#more());
    return this.#text;
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#chunks.read();
    if (!done) this.#text += this.#decoder.decode(value, { stream: true });
    return !done;
  }
}

describe("what the engine says about a grammar", () => {
  const refusing = () =>
    new ScriptedEngine(() => [new ServiceError("invalid_parameter", "the prefix does not fit", { param: "grammar" })]);
  const messages = [{ role: "user", content: "json" }];

  test.each([false, true])("names the field that the caller used (stream: %s)", async (stream) => {
    const { url } = await serve(refusing());
    const refused = async (fields: object): Promise<unknown> =>
      (await post(`${url}/v1/chat/completions`, { model: "m", messages, stream, ...fields })).json();

    expect(await refused({ response_format: { type: "json_object" } })).toMatchObject({
      error: { param: "response_format", message: "response_format: the prefix does not fit" },
    });
    expect(await refused({ grammar: "root ::= x" })).toMatchObject({
      error: { param: "grammar", message: "the prefix does not fit" },
    });
  });
});
