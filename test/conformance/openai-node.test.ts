/** OpenAI's own Node client against our server, on both dialects. */
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { metric } from "../support/calls.ts";
import { startTinyServer, type TinyServer } from "../support/tiny-server.ts";

const KEY = "sk-0123456789abcdef0123456789abcdef";

let server: TinyServer;
beforeAll(async () => {
  server = await startTinyServer({ tiny: {} }, { env: { CONTINUO_API_KEY: KEY }, args: ["--slots", "1"] });
});
afterAll(() => server?.stop());

function client(path: "/compatible-mode/v1" | "/v1", apiKey = KEY): OpenAI {
  return new OpenAI({ baseURL: `${server.url}${path}`, apiKey, maxRetries: 0 });
}

const PROMPT = "<|fim_prefix|>def add(a, b):\n<|fim_suffix|>\nprint(add(1, 2))<|fim_middle|>";

describe.each(["/compatible-mode/v1", "/v1"] as const)("on %s", (path) => {
  test("completions, plain and streamed, give the same text", async () => {
    const body = { model: "qwen-coder-turbo", prompt: PROMPT, temperature: 0, max_tokens: 16 };
    const plain = await client(path).completions.create(body);
    const stream = await client(path).completions.create({
      ...body,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    let usage: OpenAI.CompletionUsage | undefined;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.text ?? "";
      usage = chunk.usage ?? undefined;
    }

    expect(plain.choices[0]?.text).not.toBe("");
    expect(text).toBe(plain.choices[0]?.text);
    expect(usage?.completion_tokens).toBe(16);
    expect(plain._request_id).toBe(plain.id.replace("cmpl-", ""));
  });

  test("Partial Mode goes through the chat client untouched", async () => {
    const last = { role: "assistant" as const, content: "春天来了，大地", partial: true };
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "请续写" }, last];
    const body = { model: "qwen-plus", messages, temperature: 0, max_tokens: 16 };
    const plain = await client(path).chat.completions.create(body);
    const stream = await client(path).chat.completions.create({ ...body, stream: true });
    let text = "";
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";

    expect(plain.choices[0]?.message.content).not.toBe("");
    expect(text).toBe(plain.choices[0]?.message.content);
    expect(text.startsWith("春天来了")).toBe(false);
  });

  test("errors become the client's classes", async () => {
    const completions = client(path).completions;
    const wrongKey = client(path, "sk-wrong").completions.create({ model: "tiny", prompt: "a" });
    const unknown = completions.create({ model: "nope", prompt: "a" });
    const badValue = completions.create({ model: "qwen-coder-turbo", prompt: "a", top_p: 7 });

    await expect(wrongKey).rejects.toThrow(OpenAI.AuthenticationError);
    await expect(unknown).rejects.toThrow(OpenAI.NotFoundError);
    await expect(unknown).rejects.toMatchObject({ code: "model_not_found", status: 404 });
    await expect(badValue).rejects.toThrow(OpenAI.BadRequestError);
    await expect(badValue).rejects.toMatchObject({ type: "invalid_request_error" });
  });

  test("models are listed", async () => {
    const ids: string[] = [];
    for await (const model of client(path).models.list()) ids.push(model.id);

    expect(ids).toContain("tiny");
    expect(ids).toContain("qwen-plus");
    expect((await client(path).models.retrieve("qwen-plus")).id).toBe("qwen-plus");
  });
});

test("aborting a stream stops the work in the engine", async () => {
  const count = (name: string, label = "") =>
    metric(server.url, name, { label, headers: { authorization: `Bearer ${KEY}` } });
  const aborted = () => count("continuo_engine_aborted_requests_total", 'phase="decode"');
  const generated = () => count("continuo_engine_completion_tokens_total");
  const before = { aborted: await aborted(), generated: await generated() };
  const body = { model: "tiny", prompt: "hello", temperature: 0 };
  const stream = await client("/v1").completions.create({ ...body, max_tokens: 4000, stream: true });
  for await (const chunk of stream) {
    if ((chunk.choices[0]?.text ?? "") !== "") break;
  }

  // There is one slot, so this is answered when the stream has ended, aborted or whole.
  const next = await client("/v1").completions.create({ ...body, max_tokens: 1 });

  expect(next.usage?.completion_tokens).toBe(1);
  expect(await aborted()).toBe(before.aborted + 1);
  expect((await generated()) - before.generated).toBeLessThan(2000);
});
