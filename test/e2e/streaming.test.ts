import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CHAT, COMPLETIONS, type Json, joinedText, NATIVE, post, postStream, textOf } from "../support/calls.ts";
import { startTinyServer, type TinyServer } from "../support/tiny-server.ts";

let server: TinyServer;
beforeAll(async () => {
  // Equality over hundreds of random prompts: without this a cache hit may decide a tie between two tokens differently.
  server = await startTinyServer({ tiny: {} }, { args: ["--deterministic"] });
});
afterAll(() => server?.stop());

const GREEDY = { temperature: 0, max_tokens: 16 };

/** One prompt as each surface takes it; NATIVE incremental, so that pieces can be joined. */
function surfaces(prompt: string): [path: string, body: Record<string, unknown>][] {
  const messages = [
    { role: "user", content: prompt },
    { role: "assistant", content: prompt, partial: true },
  ];
  const parameters = { ...GREEDY, result_format: "message", incremental_output: true };
  return [
    [COMPLETIONS, { model: "qwen-coder-turbo", prompt, ...GREEDY }],
    ["/v1/completions", { model: "tiny", prompt, ...GREEDY }],
    [CHAT, { model: "qwen-plus", messages, ...GREEDY }],
    [NATIVE, { model: "qwen-plus", input: { messages }, parameters }],
  ];
}

const PROMPTS = [
  "def add(a, b):\n",
  "<|fim_prefix|>春天来了<|fim_suffix|>。",
  "  leading and trailing blanks  ",
  "\n\t\r\n",
  "emoji 😀👩‍👩‍👧 and \u0000 and \u2028",
  "The quick brown fox",
];

describe("a stream joined is the plain answer", () => {
  test.each(PROMPTS)("on every surface, for %j", async (prompt) => {
    for (const [path, body] of surfaces(prompt)) {
      const plain = await post(server.url, path, body);
      const streamed = await postStream(server.url, path, body);

      expect(plain.status, plain.text).toBe(200);
      expect(joinedText(streamed.events)).toBe(textOf(plain.json));
    }
  });

  test("for any Unicode text", async () => {
    const anyText = fc.string({ unit: "binary", minLength: 1, maxLength: 30 });
    const isAnswerable = (text: string) => !text.includes("<|");
    await fc.assert(
      fc.asyncProperty(anyText.filter(isAnswerable), fc.nat(2), async (prompt, which) => {
        const [path, body] = surfaces(prompt)[which + 1] ?? ["", {}];
        const plain = await post(server.url, path, body);
        const streamed = await postStream(server.url, path, body);

        expect(plain.status, plain.text).toBe(200);
        expect(joinedText(streamed.events)).toBe(textOf(plain.json));
      }),
      { numRuns: 40 },
    );
  });

  test("with a seed instead of greedy choice", async () => {
    for (const seed of [1, 2, 3]) {
      const body = { model: "qwen-coder-turbo", prompt: "hello", seed, temperature: 1, max_tokens: 24 };
      const plain = await post(server.url, COMPLETIONS, body);
      const streamed = await postStream(server.url, COMPLETIONS, body);

      expect(joinedText(streamed.events)).toBe(textOf(plain.json));
    }
  });
});

describe("a COMPL stream (docs/wire.md 2.1.3)", () => {
  const body = { model: "qwen-coder-turbo", prompt: "hello", ...GREEDY };

  test("has one id, one finish reason, no usage unless asked for, and ends with [DONE]", async () => {
    const { events, done, headers, text } = await postStream(server.url, COMPLETIONS, body);

    expect(headers.get("content-type")).toBe("text/event-stream;charset=UTF-8");
    expect(done).toBe(true);
    expect(text.endsWith("\n\ndata: [DONE]\n\n")).toBe(true);
    expect(new Set(events.map(({ id, created, object }) => `${id} ${created} ${object}`)).size).toBe(1);
    expect(events[0].id).toBe(`cmpl-${headers.get("x-request-id")}`);
    expect(events.every((event) => event.usage === null && event.system_fingerprint === null)).toBe(true);
    const reasons = events.map((event) => event.choices[0].finish_reason);
    expect(reasons.filter((reason) => reason !== null)).toEqual(["length"]);
    expect(reasons.at(-1)).toBe("length");
  });

  test("with include_usage ends with a chunk of usage only", async () => {
    const asked = { ...body, stream_options: { include_usage: true } };
    const plain = await post(server.url, COMPLETIONS, body);
    const { events } = await postStream(server.url, COMPLETIONS, asked);
    const last = events.at(-1);

    expect(last.choices).toEqual([]);
    expect(last.usage.prompt_tokens).toBe(plain.json.usage.prompt_tokens);
    expect(last.usage.completion_tokens).toBe(plain.json.usage.completion_tokens);
    expect(events.slice(0, -1).every((event) => event.usage === null)).toBe(true);
  });
});

describe("a CHAT stream (docs/wire.md 2.2.4)", () => {
  test("opens with the role, closes with an empty delta, and never repeats the prefix", async () => {
    const [, , chat] = surfaces("春天来了");
    const [path, body] = chat ?? ["", {}];
    const { events, done, headers } = await postStream(server.url, path, body);

    expect(done).toBe(true);
    expect(events[0].choices[0].delta).toEqual({ content: "", role: "assistant" });
    expect(events.every((event) => event.object === "chat.completion.chunk")).toBe(true);
    expect(events.every((event) => event.id === `chatcmpl-${headers.get("x-request-id")}`)).toBe(true);
    expect(events.at(-1).choices[0].finish_reason).toBe("length");
    expect(joinedText(events).startsWith("春天来了")).toBe(false);
  });
});

describe("a NATIVE stream (docs/wire.md 2.3.3)", () => {
  const input = { messages: [{ role: "user", content: "hello" }] };
  const stream = (parameters: Record<string, unknown>) =>
    postStream(server.url, NATIVE, { model: "qwen-plus", input, parameters: { ...GREEDY, ...parameters } });

  test("is framed byte for byte as recorded", async () => {
    const { text, headers, done } = await stream({ result_format: "message", incremental_output: true });
    const frames = text.split("\n\n").slice(0, -1);

    expect(headers.get("content-type")).toBe("text/event-stream;charset=UTF-8");
    expect(done).toBe(false);
    frames.forEach((frame, index) => {
      const lines = frame.split("\n");
      expect(lines.slice(0, 3)).toEqual([`id:${index + 1}`, "event:result", ":HTTP_STATUS/200"]);
      expect(lines[3]).toMatch(/^data:\{"output":/);
      expect(lines).toHaveLength(4);
    });
  });

  test.each(["message", "text"])("cumulative output ends with what increments join to (%s)", async (result_format) => {
    const increments = await stream({ result_format, incremental_output: true });
    const cumulative = await stream({ result_format, incremental_output: false });
    const texts = cumulative.events.map(textOf);

    expect(texts.at(-1)).toBe(joinedText(increments.events));
    for (const [index, text] of texts.entries()) expect(text.startsWith(texts[index - 1] ?? "")).toBe(true);
  });

  test("cumulative output is the default", async () => {
    const byDefault = await stream({});
    const plain = await post(server.url, NATIVE, { model: "qwen-plus", input, parameters: GREEDY });

    expect(textOf(byDefault.events.at(-1))).toBe(textOf(plain.json));
    expect(plain.json.output.text).toBe(textOf(plain.json));
  });

  test.each([true, false])("usage never decreases and the reason is the string null until the end", async (mode) => {
    const { events } = await stream({ result_format: "message", incremental_output: mode });
    const reasons = events.map((event: Json) => event.output.choices[0].finish_reason);
    const totals = events.map((event: Json) => event.usage.total_tokens);

    expect(reasons.slice(0, -1).every((reason) => reason === "null")).toBe(true);
    expect(reasons.at(-1)).toBe("length");
    expect(totals).toEqual([...totals].sort((a, b) => a - b));
    const { input_tokens, output_tokens, total_tokens } = events.at(-1).usage;
    expect(output_tokens).toBe(16);
    expect(total_tokens).toBe(input_tokens + output_tokens);
  });
});

test("all three surfaces give the same text for the same messages and seed", async () => {
  const messages = [{ role: "user", content: "hello" }];
  const settings = { seed: 7, temperature: 0.8, top_p: 0.9, top_k: 20, repetition_penalty: 1.1, max_tokens: 24 };
  const chat = await post(server.url, CHAT, { model: "qwen-plus", messages, ...settings });
  const openai = await post(server.url, "/v1/chat/completions", { model: "qwen-plus", messages, ...settings });
  const native = await post(server.url, NATIVE, {
    model: "qwen-plus",
    input: { messages },
    parameters: { ...settings, result_format: "message" },
  });
  const completion = await post(server.url, COMPLETIONS, {
    model: "qwen-coder-turbo",
    prompt: "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n",
    ...settings,
  });

  expect(textOf(chat.json)).not.toBe("");
  expect(textOf(native.json)).toBe(textOf(chat.json));
  expect(textOf(openai.json)).toBe(textOf(chat.json));
  expect(textOf(completion.json)).toBe(textOf(chat.json));
});
