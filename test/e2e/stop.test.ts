import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CHAT, COMPLETIONS, type Json, joinedText, NATIVE, post, postStream, textOf } from "../support/calls.ts";
import { startTinyServer, type TinyServer } from "../support/tiny-server.ts";
import { spellBytes } from "../support/tiny-vocabulary.ts";

let server: TinyServer;
/** 64 greedy tokens of "hello", and their text. */
let text: string;
let tokens: readonly string[];
/** Where each token begins in the text. */
let offsets: readonly number[];
beforeAll(async () => {
  server = await startTinyServer({ tiny: {} }, { args: ["--deterministic"] });
  const body = { model: "tiny", prompt: "hello", temperature: 0, max_tokens: 64, logprobs: 0 };
  const { json } = await post(server.url, "/v1/completions", body);
  text = textOf(json);
  tokens = json.choices[0].logprobs.tokens;
  offsets = json.choices[0].logprobs.text_offset;
});
afterAll(() => server?.stop());

/** The greedy completion of "hello", plain, after it has been compared with the streamed one. */
async function complete(fields: Record<string, unknown>): Promise<Json> {
  const body = { model: "qwen-coder-turbo", prompt: "hello", temperature: 0, max_tokens: 64, ...fields };
  const plain = await post(server.url, COMPLETIONS, body);
  const streamed = await postStream(server.url, COMPLETIONS, body);
  expect(plain.status, plain.text).toBe(200);
  expect(joinedText(streamed.events)).toBe(textOf(plain.json));
  const reasons = streamed.events.map((event) => event.choices[0].finish_reason);
  expect(reasons.at(-1)).toBe(plain.json.choices[0].finish_reason);
  return plain.json;
}

test("log probabilities are those of the tokens that the text holds, on both routes, streamed and plain", async () => {
  const stop = text.slice(20, 23);
  const body = { model: "tiny", temperature: 0, max_tokens: 64, stop };
  const legacy = { ...body, prompt: "hello", logprobs: 5 };
  const chat = { ...body, messages: [{ role: "user", content: "hello" }], logprobs: true, stop: undefined };

  const plain = (await post(server.url, "/v1/completions", legacy)).json;
  const streamed = (await postStream(server.url, "/v1/completions", legacy)).events;
  const answer = (await post(server.url, "/v1/chat/completions", chat)).json;
  const answered = answer.choices[0].message.content;
  const cutAnswer = (await post(server.url, "/v1/chat/completions", { ...chat, stop: answered.slice(9, 12) })).json;

  const held = offsets.filter((offset) => offset < [...textOf(plain)].length);
  expect(textOf(plain)).toBe(text.slice(0, text.indexOf(stop)));
  expect(plain.choices[0].logprobs.text_offset).toEqual(held);
  expect(streamed.flatMap((event) => event.choices[0].logprobs?.text_offset ?? [])).toEqual(held);
  expect(plain.usage.completion_tokens).toBeGreaterThan(held.length);
  const bytes = cutAnswer.choices[0].logprobs.content.flatMap((token: Json) => token.bytes);
  const spelled = Buffer.from(bytes).toString();
  expect(spelled.startsWith(textOf(cutAnswer))).toBe(true);
  expect(cutAnswer.usage.completion_tokens).toBeGreaterThan(cutAnswer.choices[0].logprobs.content.length);
});

/** The text before the first place where any of `stops` is complete, found the slow way. */
function cut(stops: readonly string[]): string {
  for (let end = 1; end <= text.length; end += 1) {
    const stop = stops.filter((item) => text.slice(0, end).endsWith(item)).sort((a, b) => b.length - a.length)[0];
    if (stop !== undefined) return text.slice(0, end - stop.length);
  }
  return text;
}

describe("max_tokens (docs/wire.md 3.5)", () => {
  test("a smaller bound gives a beginning of the text", async () => {
    const ends = new Set<number>();
    for (const bound of [1, 2, 3, 5, 8, 13, 21, 34, 55]) {
      const { choices, usage } = await complete({ max_tokens: bound });

      expect(text.startsWith(choices[0].text)).toBe(true);
      expect(choices[0].finish_reason).toBe("length");
      expect(usage.completion_tokens).toBe(bound);
      ends.add(choices[0].text.length);
    }
    expect(ends.size).toBeGreaterThan(6);
  });

  test("the same seed gives a beginning of the text too", async () => {
    const sampled = { temperature: 1, top_p: 0.9, seed: 11 };
    const long = textOf(await complete({ ...sampled, max_tokens: 40 }));

    for (const bound of [1, 7, 20]) {
      expect(long.startsWith(textOf(await complete({ ...sampled, max_tokens: bound })))).toBe(true);
    }
  });
});

describe("stop (docs/wire.md 3.4)", () => {
  test("a stop string is left out with all that follows, wherever it lies over token borders", async () => {
    for (let start = 5; start < 60; start += 6) {
      for (const length of [1, 3, 9]) {
        const stop = text.slice(start, start + length);
        const { choices } = await complete({ stop });

        expect(choices[0].text).toBe(cut([stop]));
        expect(choices[0].finish_reason).toBe("stop");
      }
    }
  });

  test("of several the one completed first wins", async () => {
    const stops = [text.slice(10, 40), text.slice(20, 23), text.slice(22, 26), "never in the text"];

    expect(textOf(await complete({ stop: stops }))).toBe(cut(stops));
  });

  test("a stop string that never comes changes nothing", async () => {
    const { choices } = await complete({ stop: [`${text.slice(3, 9)}\u0000no`, "\uffff"] });

    expect(choices[0]).toMatchObject({ text, finish_reason: "length" });
  });

  test("at least 64 stop strings are accepted", async () => {
    const stops = Array.from({ length: 64 }, (_, index) => `never ${index}`);

    expect(textOf(await complete({ stop: stops }))).toBe(text);
  });

  test("a stop id ends the text before its token", async () => {
    const at = 7;
    const { usage, choices } = await complete({ stop: [idAt(at)] });
    const first = tokens.indexOf(tokens[at] ?? "");

    expect(choices[0].text).toBe(text.slice(0, offsets[first]));
    expect(choices[0].finish_reason).toBe("stop");
    expect(usage.completion_tokens).toBeLessThanOrEqual(first + 1);
  });

  test("a stop sequence of ids ends the text before its first token", async () => {
    const { choices } = await complete({ stop: [[idAt(8), idAt(9)]] });

    expect(choices[0].text).toBe(text.slice(0, offsets[8]));
    expect(choices[0].finish_reason).toBe("stop");
  });

  test("ids outside the vocabulary never match", async () => {
    expect(textOf(await complete({ stop: [9_999_999] }))).toBe(text);
  });

  test.each([[null], [""], [[]], [["", "never in the text"]]])("%j is no stop", async (stop) => {
    expect(textOf(await complete({ stop }))).toBe(text);
  });

  test.each([[["a", 1]], [5], [{}], [[-1]], [[1.5]], [[[1], 2]], [[[1], "a"]]])("%j is refused", async (stop) => {
    const body = { model: "qwen-coder-turbo", prompt: "a", stop };
    const answer = await post(server.url, COMPLETIONS, body);

    expect(answer.status).toBe(400);
    expect(answer.json.error.message).toContain('The "stop" parameter must be of type "str", "list[str]", "list[int]"');
  });

  test("chat and native stop alike", async () => {
    const messages = [{ role: "user", content: "hello" }];
    const settings = { temperature: 0, repetition_penalty: 1, max_tokens: 32 };
    const whole = textOf((await post(server.url, CHAT, { model: "qwen-plus", messages, ...settings })).json);
    const stop = whole.slice(12, 16);
    const chat = await post(server.url, CHAT, { model: "qwen-plus", messages, ...settings, stop });
    const native = await post(server.url, NATIVE, {
      model: "qwen-plus",
      input: { messages },
      parameters: { ...settings, stop: [stop] },
    });

    expect(textOf(chat.json)).toBe(whole.slice(0, whole.indexOf(stop)));
    expect(chat.json.choices[0].finish_reason).toBe("stop");
    expect(native.json.output).toEqual({ text: textOf(chat.json), finish_reason: "stop" });
  });
});

/** Id of a generated token, by its text (only whole characters are asked for here). */
function idAt(index: number): number {
  const spelling = spellBytes(Buffer.from(tokens[index] ?? "", "utf8"));
  const id = server.vocabulary.ids.get(spelling);
  if (id === undefined) throw new Error(`token ${index} is no whole character: choose another`);
  return id;
}
