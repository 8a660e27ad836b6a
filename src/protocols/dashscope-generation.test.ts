import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CARD_DEFAULTS, callOf, REQUEST_ID, refusal } from "../../test/support/protocol-call.ts";
import { Fold, type StreamPart } from "../continuation/output.ts";
import { ServiceError } from "../errors.ts";
import { generationProtocol } from "./dashscope-generation.ts";
import type { Decoded } from "./protocol.ts";

const INPUT = { messages: [{ role: "user", content: "hi" }] };
const SSE = { "x-dashscope-sse": "enable" };
const decode = (body: object, headers: Record<string, string> = {}): Decoded =>
  generationProtocol().decode({ model: "m", input: INPUT, ...body }, callOf({ headers }));
const ask = (parameters: object, headers: Record<string, string> = {}): Decoded => decode({ parameters }, headers);
const start = { type: "start", model: "weights", promptTokens: 16, truncatedTokens: 0, ignored: [] } as const;
const usage = (completionTokens: number, more = {}): StreamPart => ({
  type: "usage",
  usage: { promptTokens: 16, completionTokens, source: "engine", ...more },
});
const delta = (text: string, tokens: readonly number[], choice = 0): StreamPart => ({
  type: "delta",
  choice,
  text,
  tokens,
});
const finish = (reason: "stop" | "length" | null = "stop", choice = 0): StreamPart => ({
  type: "finish",
  choice,
  reason,
});
const streamed = ({ encoder }: Decoded, parts: readonly StreamPart[]): string =>
  parts.map((part) => encoder.part(part)).join("") + encoder.end();
const whole = ({ encoder }: Decoded, parts: readonly StreamPart[]): unknown => {
  const fold = new Fold();
  for (const part of parts) fold.push(part);
  return encoder.whole(fold.result());
};

describe("input in its three ages (docs/wire.md 2.3.1)", () => {
  test("messages, prompt, and prompt with history", () => {
    const turn = (role: string, text: string): object => ({ role, content: [{ text }] });
    const messages = (input: object): unknown => decode({ input }).requests[0]?.input;

    expect(messages(INPUT)).toEqual({ kind: "chat", messages: [turn("user", "hi")] });
    expect(messages({ prompt: "hi" })).toEqual({ kind: "chat", messages: [turn("user", "hi")] });
    expect(messages({ prompt: "c", history: [{ user: "a", bot: "b" }] })).toEqual({
      kind: "chat",
      messages: [turn("user", "a"), turn("assistant", "b"), turn("user", "c")],
    });
  });

  test("a partial message is the prefix", () => {
    const input = { messages: [...INPUT.messages, { role: "assistant", content: "春天来了,大地", partial: true }] };

    expect(decode({ input }).requests[0]?.input).toMatchObject({ assistantPrefix: "春天来了,大地" });
  });

  const badHistory =
    'The provided messages input is invalid: history should be an array of objects with "user" and "bot", both strings.';
  test.each<[string, object, string, string]>([
    ["no input", { input: undefined }, "missing_parameter", "Required input parameter missing from request."],
    ["an input that is text", { input: "hi" }, "invalid_body", "The input parameter requires json format."],
    ["an input that is a list", { input: [] }, "invalid_body", "The input parameter requires json format."],
    [
      "neither form",
      { input: {} },
      "invalid_parameter",
      'Either "prompt" or "messages" must exist and cannot both be none',
    ],
    ["no messages", { input: { messages: [] } }, "invalid_parameter", "[] is too short"],
    ["a prompt of ids", { input: { prompt: [1] } }, "invalid_parameter", "input content must be a string."],
    ["an empty prompt", { input: { prompt: "" } }, "invalid_parameter", "Range of input length should be [1, 8191]"],
    ["malformed history", { input: { prompt: "a", history: [{ user: "a" }] } }, "invalid_parameter", badHistory],
    ["parameters that are a list", { parameters: [] }, "invalid_parameter", "'parameters' must be Object"],
  ])("%s is refused", (_, body, code, message) => {
    expect(refusal(() => decode(body)).slice(0, 2)).toEqual([code, message]);
  });
});

describe("parameters", () => {
  test.each<[object, string]>([
    [{ result_format: "xml" }, 'result_format should be one of ["text", "message"]'],
    [{ incremental_output: "true" }, "'incremental_output' must be Boolean"],
    [{ n: 5, result_format: "message" }, "Range of n should be [1, 4]"],
    [{ n: 2 }, 'n greater than 1 needs result_format "message": the text format holds one answer.'],
    [{ n: 2, tools: [{}], result_format: "message" }, "Range of n should be [1, 1]"],
    [{ temperature: 2 }, "Temperature should be in [0.0, 2.0)"],
    [{ max_tokens: 4097 }, "Range of max_tokens should be [1, 4096]"],
    [{ seed: -1 }, "Range of seed should be [0, 9223372036854775807]"],
    [{ enable_search: true }, "This model does not support enable_search."],
  ])("%j is refused", (parameters, message) => {
    expect(refusal(() => ask(parameters)).slice(0, 2)).toEqual(["invalid_parameter", message]);
  });

  test("null parameters are none, and the model's own values travel beside the caller's", () => {
    expect(ask({ temperature: null, top_k: null, seed: 4_294_967_296, max_tokens: 3 }).requests[0]).toMatchObject({
      sampling: { topK: 0, seed: 4_294_967_296 },
      defaults: CARD_DEFAULTS,
      limits: { maxTokens: 3 },
    });
    expect(decode({ parameters: null }).requests).toEqual(decode({}).requests);
  });

  test("fields without effect are reported where they stood", () => {
    const { ignored } = decode({
      input: { ...INPUT, prompt: "unused", history: [] },
      parameters: { max_length: 5, stream: true, enable_search: false, incremental_output: true, logprobs: true },
      resources: [],
    });

    expect(ignored).toEqual([
      "resources",
      "input.prompt",
      "parameters.max_length",
      "parameters.stream",
      "parameters.incremental_output",
      "parameters.logprobs",
    ]);
  });

  test("a copy of what the header says is no news", () => {
    expect(ask({ stream: true, incremental_output: true }, SSE).ignored).toEqual([]);
    expect(ask({ stream: false }).ignored).toEqual([]);
  });
});

describe("headers (docs/wire.md 1.3)", () => {
  test.each<[Record<string, string>, boolean]>([
    [{ "x-dashscope-sse": "enable" }, true],
    [{ "x-dashscope-sse": "disable" }, false],
    [{ accept: "text/event-stream" }, true],
    [{ accept: "application/json; charset=utf-8" }, false],
    [{ accept: "*/*" }, false],
    [{}, false],
  ])("%j streams: %s", (headers, stream) => {
    expect(decode({ parameters: { stream: !stream } }, headers).stream).toBe(stream);
  });

  test("asynchronous calls and encrypted bodies are refused", () => {
    expect(refusal(() => decode({}, { "x-dashscope-async": "enable" }))).toEqual([
      "async_not_supported",
      "Current user api does not support asynchronous calls.",
    ]);
    expect(refusal(() => decode({}, { "x-dashscope-encryptionkey": "{}" }))[0]).toBe("unsupported_input");
    expect(decode({}, { "x-dashscope-async": "", "x-dashscope-encryptionkey": "" }).stream).toBe(false);
  });
});

const parts = [start, delta(", the", [1, 2]), delta("", [3]), delta(" meadow wakes.", [4, 5, 6]), finish(), usage(6)];

describe("plain answers (docs/wire.md 2.3.2)", () => {
  test("in both formats", () => {
    const tail = `"usage":{"total_tokens":22,"output_tokens":6,"input_tokens":16},"request_id":"${REQUEST_ID}"}`;

    expect(JSON.stringify(whole(decode({}), parts))).toBe(
      `{"output":{"finish_reason":"stop","text":", the meadow wakes."},${tail}`,
    );
    expect(JSON.stringify(whole(ask({ result_format: "message" }), parts))).toBe(
      `{"output":{"choices":[{"message":{"content":", the meadow wakes.","role":"assistant"},"finish_reason":"stop"}]},${tail}`,
    );
  });

  test("an answer cut by the time limit says the string null", () => {
    expect(whole(decode({}), [start, delta("x", [1])])).toMatchObject({ output: { finish_reason: "null", text: "x" } });
  });

  test("several choices are numbered", () => {
    const both = [start, delta("a", [1], 0), finish("stop", 0), delta("b", [2], 1), finish("length", 1), usage(2)];

    expect(whole(ask({ result_format: "message", n: 2 }), both)).toMatchObject({
      output: {
        choices: [
          { index: 0, message: { content: "a" }, finish_reason: "stop" },
          { index: 1, message: { content: "b" }, finish_reason: "length" },
        ],
      },
    });
  });

  test("cached tokens are reported when the engine said how many", () => {
    expect(whole(decode({}), [start, finish(), usage(0, { cachedPromptTokens: 3 })])).toMatchObject({
      usage: { prompt_tokens_details: { cached_tokens: 3 } },
    });
  });
});

describe("streams, byte for byte (docs/wire.md 2.3.3)", () => {
  const event = (id: number, output: string, tokens: number): string =>
    `id:${id}\nevent:result\n:HTTP_STATUS/200\ndata:{"output":${output},"usage":{"total_tokens":${16 + tokens},"output_tokens":${tokens},"input_tokens":16},"request_id":"${REQUEST_ID}"}\n\n`;
  const message = (content: string, reason: string): string =>
    `{"choices":[{"message":{"content":"${content}","role":"assistant"},"finish_reason":"${reason}"}]}`;

  test("incremental message format", () => {
    expect(streamed(ask({ result_format: "message", incremental_output: true }, SSE), parts)).toBe(
      event(1, message(", the", "null"), 2) +
        event(2, message(" meadow wakes.", "null"), 6) +
        event(3, message("", "stop"), 6),
    );
  });

  test("cumulative by default, the last event with the full text", () => {
    expect(streamed(ask({ result_format: "message" }, SSE), parts)).toBe(
      event(1, message(", the", "null"), 2) +
        event(2, message(", the meadow wakes.", "null"), 6) +
        event(3, message(", the meadow wakes.", "stop"), 6),
    );
  });

  test("text format", () => {
    expect(streamed(ask({ incremental_output: true }, SSE), parts)).toBe(
      event(1, '{"finish_reason":"null","text":", the"}', 2) +
        event(2, '{"finish_reason":"null","text":" meadow wakes."}', 6) +
        event(3, '{"finish_reason":"stop","text":""}', 6),
    );
  });

  test("an error event counts on", () => {
    const { encoder } = ask({}, SSE);
    encoder.part(start);
    encoder.part(delta("x", [1]));

    expect(encoder.failure(new ServiceError("internal", "secret"))).toBe(
      `id:2\nevent:error\n:HTTP_STATUS/500\ndata:{"code":"InternalError","message":"An internal error has occured, please try again later or contact service support.","request_id":"${REQUEST_ID}"}\n\n`,
    );
  });
});

interface Event {
  readonly output: {
    readonly choices: readonly { index: number; message: { content: string }; finish_reason: string }[];
  };
  readonly usage: { readonly output_tokens: number; readonly input_tokens: number; readonly total_tokens: number };
}
const events = (stream: string): readonly Event[] =>
  stream
    .split("\n\n")
    .filter((event) => event !== "")
    .map((event): Event => JSON.parse(event.slice(event.indexOf("\ndata:") + "\ndata:".length)));

describe("laws", () => {
  const piece = fc.record({
    choice: fc.nat(1),
    text: fc.string({ unit: "binary", maxLength: 3 }),
    tokens: fc.array(fc.nat(9), { maxLength: 3 }),
  });
  const run = (pieces: readonly { choice: number; text: string; tokens: number[] }[], last: number, more: object) => {
    const deltas = pieces.map(({ choice, text, tokens }) => delta(text, tokens, choice));
    const all = [start, ...deltas, finish("stop", 1), finish("length", 0), usage(last)];
    return events(streamed(ask({ result_format: "message", n: 2, ...more }, SSE), all));
  };
  const contents = (all: readonly Event[], index: number): readonly string[] =>
    all.flatMap(({ output }) =>
      output.choices.filter((choice) => choice.index === index).map(({ message }) => message.content),
    );

  test("the last cumulative event of a choice is the concatenation of its incremental ones", () => {
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const incremental = run(pieces, 5, { incremental_output: true });
        const cumulative = run(pieces, 5, {});

        for (const index of [0, 1]) {
          const text = pieces.filter(({ choice }) => choice === index).map((given) => given.text);
          expect(contents(incremental, index).join("")).toBe(text.join(""));
          expect(contents(cumulative, index).at(-1)).toBe(text.join(""));
        }
      }),
    );
  });

  test("usage is in every event, adds up, and never goes down; each choice ends once", () => {
    fc.assert(
      fc.property(fc.array(piece), fc.nat(40), fc.boolean(), (pieces, last, incremental_output) => {
        const all = run(pieces, last, { incremental_output });

        const tokens = all.map((event) => event.usage.output_tokens);
        expect(tokens).toEqual(tokens.toSorted((a, b) => a - b));
        expect(all.every(({ usage: u }) => u.total_tokens === u.input_tokens + u.output_tokens)).toBe(true);
        expect(tokens.at(-1)).toBeGreaterThanOrEqual(last);
        const ends = all.flatMap(({ output }) => output.choices.filter((choice) => choice.finish_reason !== "null"));
        expect(ends.map(({ index }) => index)).toEqual([1, 0]);
      }),
    );
  });
});
