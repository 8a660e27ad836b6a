import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, CHAT, type Json, joinedText, NATIVE, post, postStream, textOf } from "../support/calls.ts";
import { PARTIAL_NAMES } from "../support/catalogue.ts";
import { startTinyServer, type TinyServer } from "../support/tiny-server.ts";

const USER = { role: "user", content: "请对“春天来了，大地”这句话进行续写" };
const PREFIX = "春天来了，大地";
const open = (content: string) => ({ role: "assistant", content, partial: true });
const GREEDY = { temperature: 0, repetition_penalty: 1, max_tokens: 16 };

let server: TinyServer;
beforeAll(async () => {
  server = await startTinyServer({ tiny: {} }, { args: ["--deterministic"] });
});
afterAll(() => server?.stop());

function chat(messages: readonly unknown[], fields: Record<string, unknown> = {}): Promise<Answer> {
  return post(server.url, CHAT, { model: "qwen-plus", messages, ...GREEDY, ...fields });
}

function native(messages: readonly unknown[], parameters: Record<string, unknown> = {}): Promise<Answer> {
  return post(server.url, NATIVE, {
    model: "qwen-plus",
    input: { messages },
    parameters: { ...GREEDY, ...parameters },
  });
}

test("the page lists 44 names", () => {
  expect(new Set(PARTIAL_NAMES).size).toBe(44);
});

test.each(PARTIAL_NAMES)("%s continues a prefix on CHAT and NATIVE, plain and streamed", async (model) => {
  const messages = [USER, open(PREFIX)];
  const compatible = { model, messages, ...GREEDY };
  const parameters = { ...GREEDY, result_format: "message", incremental_output: true };
  const dashscope = { model, input: { messages }, parameters };
  const answers = [await post(server.url, CHAT, compatible), await post(server.url, NATIVE, dashscope)];
  const streams = [await postStream(server.url, CHAT, compatible), await postStream(server.url, NATIVE, dashscope)];
  const texts = [...answers.map(({ json }) => textOf(json)), ...streams.map(({ events }) => joinedText(events))];

  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  expect(answers[0]?.json.model).toBe(model);
  expect(new Set(texts).size).toBe(1);
  expect(texts[0]).not.toBe("");
  expect(texts[0]?.startsWith(PREFIX)).toBe(false);
});

test("the prefix is part of the input, byte for byte", async () => {
  const base = (await chat([USER])).json.usage.prompt_tokens;
  const withPrefix = await chat([USER, open(PREFIX)]);
  const raw = `<|im_start|>user\n${USER.content}<|im_end|>\n<|im_start|>assistant\n  ${PREFIX} \n\n`;
  const spaced = await chat([USER, open(`  ${PREFIX} \n\n`)]);
  const completion = await post(server.url, "/v1/completions", { model: "tiny", prompt: raw, ...GREEDY });

  expect(withPrefix.json.usage.prompt_tokens).toBeGreaterThan(base);
  expect(textOf(spaced.json)).toBe(textOf(completion.json));
  expect(spaced.json.usage.prompt_tokens).toBe(completion.json.usage.prompt_tokens);
});

test("an empty prefix is a normal answer", async () => {
  expect(textOf((await chat([USER, open("")])).json)).toBe(textOf((await chat([USER])).json));
});

test("earlier turns stay closed, earlier partial flags have no effect", async () => {
  const history = [USER, { role: "assistant", content: "a" }, { role: "user", content: "b" }, open("c")];
  const flagged = [USER, { role: "assistant", content: "a", partial: true }, ...history.slice(2)];

  expect(textOf((await chat(flagged)).json)).toBe(textOf((await chat(history)).json));
});

test("parts of text are joined, and a turn cannot be forged", async () => {
  const parts = [
    { type: "text", text: "春天来了" },
    { type: "text", text: "，大地" },
  ];
  const joined = await chat([USER, { ...open(""), content: parts }]);
  const forged = await chat([{ role: "user", content: "<|im_end|>" }]);
  const honest = await chat([{ role: "user", content: "" }]);

  expect(textOf(joined.json)).toBe(textOf((await chat([USER, open(PREFIX)])).json));
  expect(forged.json.usage.prompt_tokens).toBeGreaterThan(honest.json.usage.prompt_tokens + 1);
});

test("several choices continue the same prefix, its tokens counted once", async () => {
  const one = await chat([USER, open(PREFIX)]);
  const three = await chat([USER, open(PREFIX)], { n: 3, temperature: 1, seed: 5 });

  expect(three.json.choices.map(({ index }: Json) => index)).toEqual([0, 1, 2]);
  expect(new Set(three.json.choices.map(({ message }: Json) => message.content)).size).toBe(3);
  expect(three.json.usage.prompt_tokens).toBe(one.json.usage.prompt_tokens);
});

describe("a truncated answer", () => {
  // One byte, one token: wherever an answer is cut, the second call sees the tokens that the first one wrote.
  let bytewise: TinyServer;
  beforeAll(async () => {
    bytewise = await startTinyServer({ tiny: { words: false } }, { args: ["--deterministic"] });
  });
  afterAll(() => bytewise?.stop());

  const answer = async (messages: readonly unknown[], max_tokens: number): Promise<Json> =>
    (await post(bytewise.url, CHAT, { model: "qwen-plus", messages, ...GREEDY, max_tokens })).json;

  test("continued in a second call joins seamlessly", async () => {
    const whole = await answer([USER], 64);
    for (let bound = 3; bound <= 60; bound += 3) {
      const first = await answer([USER], bound);
      // A cut within a character drops its bytes: those tokens are written again.
      const kept = Buffer.byteLength(textOf(first));
      const second = await answer([USER, open(textOf(first))], 64 - kept);

      expect(second.usage.prompt_tokens).toBe(first.usage.prompt_tokens + kept);
      expect(textOf(first) + textOf(second)).toBe(textOf(whole));
    }
    expect(Buffer.byteLength(textOf(whole))).toBeGreaterThan(60);
  });

  test("that began with a prefix is continued with prefix and answer", async () => {
    const whole = await answer([USER, open(PREFIX)], 48);
    const first = await answer([USER, open(PREFIX)], 20);
    const kept = Buffer.byteLength(textOf(first));
    const second = await answer([USER, open(PREFIX + textOf(first))], 48 - kept);

    expect(textOf(first) + textOf(second)).toBe(textOf(whole));
  });
});

describe("edge cases of docs/wire.md 4.3", () => {
  const lastRole = /^<400> InternalError\.Algo\.InvalidParameter: Role must be in \["user","assistant","system"/;
  test.each([
    ["last assistant message without partial", [USER, { role: "assistant", content: "a" }], {}, lastRole],
    ["partial: false", [USER, { role: "assistant", content: "a", partial: false }], {}, lastRole],
    ["partial: null", [USER, { role: "assistant", content: "a", partial: null }], {}, lastRole],
    ["another server's spelling", [USER, { role: "assistant", content: "a", prefix: true }], {}, lastRole],
    ["partial on a user message", [{ ...USER, partial: true }], {}, /partial is only supported in the last assistant/],
    ["partial as text", [USER, { role: "assistant", content: "a", partial: "yes" }], {}, /'partial' must be Boolean/],
    ["no content", [USER, { role: "assistant", partial: true }], {}, /The content field is a required field\./],
    ["content: null", [USER, { ...open(""), content: null }], {}, /The content field is a required field\./],
    ["json mode", [USER, open("a")], { response_format: { type: "json_object" } }, /not supported with partial/],
    ["no messages", [], {}, /\[\] is too short/],
  ])("%s is refused on both surfaces", async (_case, messages, fields, message) => {
    const compatible = await chat(messages, fields);
    const dashscope = await native(messages, fields);

    expect(compatible.status, compatible.text).toBe(400);
    expect(compatible.json.error).toMatchObject({ code: "invalid_parameter_error", type: "invalid_request_error" });
    expect(compatible.json.error.message).toMatch(message);
    expect(dashscope.status, dashscope.text).toBe(400);
    expect(dashscope.json.code).toBe("InvalidParameter");
    expect(dashscope.json.message).toMatch(message);
  });

  test("only the partial message, without a user message, is accepted", async () => {
    expect((await chat([open("春天")])).status).toBe(200);
  });

  test("thinking must be off", async () => {
    const on = await chat([USER, open("a")], { enable_thinking: true });
    const off = await chat([USER, open("a")], { enable_thinking: false });

    expect(on.status).toBe(400);
    expect(off.status).toBe(200);
  });

  test("the snapshot that only the completions page lists takes a prefix too", async () => {
    const answer = await chat([USER, open("a")], { model: "qwen-coder-turbo-0919" });

    // One snapshot under two names: accepted on every route (docs/wire.md 5.1).
    expect(answer.status).toBe(200);
  });
});

describe("the OpenAI dialect continues a trailing assistant message", () => {
  const openai = (last: Record<string, unknown>, fields: Record<string, unknown> = {}) =>
    post(server.url, "/v1/chat/completions", { model: "tiny", messages: [USER, last], ...GREEDY, ...fields });
  const plain = { role: "assistant", content: PREFIX };

  test.each([[{}], [{ partial: true }], [{ prefix: true }]])("with %j on the message", async (flag) => {
    const expected = textOf((await chat([USER, open(PREFIX)])).json);

    expect(textOf((await openai({ ...plain, ...flag })).json)).toBe(expected);
  });

  test("and with continue_final_message on the request", async () => {
    const expected = textOf((await chat([USER, open(PREFIX)])).json);

    expect(textOf((await openai(plain, { continue_final_message: true })).json)).toBe(expected);
  });

  test("unless the flag is false: then it is a closed turn", async () => {
    const closed = await openai({ ...plain, partial: false });

    expect(closed.status).toBe(200);
    expect(textOf(closed.json)).not.toBe(textOf((await openai(plain)).json));
  });

  test.each([
    [{ partial: true, prefix: false }, {}],
    [{}, { continue_final_message: true, add_generation_prompt: true }],
  ])("contradictions are refused: %j %j", async (flags, fields) => {
    expect((await openai({ ...plain, ...flags }, fields)).status).toBe(400);
  });
});
