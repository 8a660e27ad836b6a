import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CARD_DEFAULTS, callOf, REQUEST_ID, refusal } from "../../test/support/protocol-call.ts";
import { Fold, type StreamPart, type TokenLogprob } from "../continuation/output.ts";
import { ServiceError } from "../errors.ts";
import { chatProtocol } from "./openai-chat.ts";
import type { Decoded, Dialect } from "./protocol.ts";

const ASK = { messages: [{ role: "user", content: "Write a sentence about spring." }] };
const decode = (body: object, dialect: Dialect = "dashscope"): Decoded =>
  chatProtocol(dialect).decode({ model: "m", ...ASK, ...body }, callOf());
const start = { type: "start", model: "weights", promptTokens: 16, truncatedTokens: 0, ignored: [] } as const;
const usage: StreamPart = { type: "usage", usage: { promptTokens: 16, completionTokens: 6, source: "engine" } };
const delta = (text: string, choice = 0, more = {}): StreamPart => ({ type: "delta", choice, text, ...more });
const finish = (choice = 0): StreamPart => ({ type: "finish", choice, reason: "stop" });
const streamed = ({ encoder }: Decoded, parts: readonly StreamPart[]): string =>
  parts.map((part) => encoder.part(part)).join("") + encoder.end();
const whole = ({ encoder }: Decoded, parts: readonly StreamPart[]): unknown => {
  const fold = new Fold();
  for (const part of parts) fold.push(part);
  return encoder.whole(fold.result());
};
interface Chunk {
  readonly choices: readonly { delta: { content: string; role?: string }; index: number; logprobs: unknown }[];
}
const chunks = (events: string): readonly Chunk["choices"][number][] =>
  events
    .split("\n\n")
    .filter((event) => event.startsWith("data: {"))
    .flatMap((event) => (JSON.parse(event.slice("data: ".length)) as Chunk).choices);

describe("requests", () => {
  test("the model's own values hold where the caller says nothing", () => {
    const { requests, stream, ignored } = decode({});

    expect(requests).toEqual([
      {
        model: "qwen2.5-coder-0.5b-instruct",
        input: { kind: "chat", messages: [{ role: "user", content: [{ text: "Write a sentence about spring." }] }] },
        sampling: {},
        defaults: CARD_DEFAULTS,
        limits: { maxTokens: 4096, stopStrings: [], stopSequences: [], maxInputTokens: 8191, truncate: false },
        choices: 1,
        promptLogprobs: false,
      },
    ]);
    expect([stream, ignored]).toEqual([false, []]);
  });

  test.each([
    [{ max_tokens: 5 }, 5],
    [{ max_completion_tokens: 7 }, 7],
    [{ max_tokens: 5, max_completion_tokens: 7 }, 5],
    [{ max_tokens: 9, max_completion_tokens: 7 }, 7],
    [{ max_tokens: null, max_completion_tokens: null }, 4096],
  ])("%j limits to %d tokens", (body, maxTokens) => {
    expect(decode(body).requests[0]?.limits.maxTokens).toBe(maxTokens);
  });

  test.each<[Dialect, object, string]>([
    ["dashscope", { messages: undefined }, 'Either "prompt" or "messages" must exist and cannot both be none'],
    ["dashscope", { messages: null }, 'Either "prompt" or "messages" must exist and cannot both be none'],
    ["dashscope", { messages: [] }, "[] is too short"],
    ["dashscope", { max_tokens: 0 }, "Range of max_tokens should be [1, 4096]"],
    ["dashscope", { max_completion_tokens: 4097 }, "Range of max_completion_tokens should be [1, 4096]"],
    ["dashscope", { n: 5 }, "Range of n should be [1, 4]"],
    ["dashscope", { n: 0 }, "Range of n should be [1, 4]"],
    ["dashscope", { n: 2, tools: [{}] }, "Range of n should be [1, 1]"],
    ["dashscope", { top_logprobs: 6 }, "Range of top_logprobs should be [0, 5]"],
    ["dashscope", { logprobs: "yes" }, "'logprobs' must be Boolean"],
    ["dashscope", { logit_bias: { "1": 1 } }, "The logit_bias parameter is not supported."],
    ["openai", { n: 9 }, "Range of n should be [1, 8]"],
    ["openai", { logprobs: true, top_logprobs: 21 }, "Range of top_logprobs should be [0, 20]"],
    ["openai", { top_logprobs: 1 }, "top_logprobs needs logprobs to be true."],
  ])("%s refuses %j", (dialect, body, message) => {
    expect(refusal(() => decode(body, dialect)).slice(0, 2)).toEqual(["invalid_parameter", message]);
  });

  test("log probabilities are real in the OpenAI dialect and ignored elsewhere", () => {
    expect(decode({ logprobs: true, top_logprobs: 20 }, "openai")).toMatchObject({
      requests: [{ logprobs: 20 }],
      ignored: [],
    });
    expect(decode({ logprobs: true }, "openai").requests[0]?.logprobs).toBe(0);
    expect(decode({ logprobs: false, top_logprobs: 0 }, "openai").requests[0]?.logprobs).toBeUndefined();
    expect(decode({ logprobs: true, top_logprobs: 5 })).toMatchObject({ ignored: ["logprobs", "top_logprobs"] });
    expect(decode({ logprobs: true }).requests[0]?.logprobs).toBeUndefined();
  });

  test("fields without effect are reported, nested ones with dots", () => {
    const messages = [
      { role: "assistant", content: "a", partial: true, name: "x" },
      { role: "user", content: "b", foo: null },
    ];

    expect(
      decode({
        ...{ messages, user: "u", tools: [{ type: "function" }], tool_choice: "auto", store: false },
        ...{
          enable_thinking: false,
          enable_search: false,
          response_format: { type: "text" },
          result_format: "message",
        },
      }).ignored,
    ).toEqual(["user", "tools", "result_format", "messages.0.partial", "messages.0.name"]);
  });

  test("continue_final_message has an effect in the OpenAI dialect only", () => {
    expect(decode({ continue_final_message: false }).ignored).toEqual(["continue_final_message"]);
    expect(decode({ continue_final_message: false }, "openai").ignored).toEqual([]);
  });
});

const HEAD = `"created":1762840000,"system_fingerprint":null,"model":"qwen2.5-coder-0.5b-instruct","id":"chatcmpl-${REQUEST_ID}"`;

describe("streams, byte for byte (docs/wire.md 2.2.4)", () => {
  const event = (choice: string, usageText = "null"): string =>
    `data: {"choices":[${choice}],"object":"chat.completion.chunk","usage":${usageText},${HEAD}}\n\n`;
  const opening = (index: number): string =>
    event(`{"delta":{"content":"","role":"assistant"},"finish_reason":null,"index":${index},"logprobs":null}`);
  const text = (content: string, index = 0): string =>
    event(`{"delta":{"content":"${content}"},"finish_reason":null,"index":${index},"logprobs":null}`);
  const closing = (index = 0): string =>
    event(`{"delta":{"content":""},"finish_reason":"stop","index":${index},"logprobs":null}`);
  const parts = [start, delta(", the"), delta(""), delta(" meadow wakes."), finish(), usage];

  test("role first, an empty delta with the reason last, then usage", () => {
    expect(streamed(decode({ stream: true, stream_options: { include_usage: true } }), parts)).toBe(
      opening(0) +
        text(", the") +
        text(" meadow wakes.") +
        closing() +
        event("", '{"prompt_tokens":16,"completion_tokens":6,"total_tokens":22}') +
        "data: [DONE]\n\n",
    );
  });

  test("without usage unless asked for", () => {
    expect(streamed(decode({ stream: true }), parts)).toBe(
      `${opening(0)}${text(", the")}${text(" meadow wakes.")}${closing()}data: [DONE]\n\n`,
    );
  });

  test("every choice has its own role and its own end", () => {
    const both = [start, delta("b", 1), delta("a", 0), finish(1), finish(0), usage];

    expect(streamed(decode({ stream: true, n: 2 }), both)).toBe(
      `${opening(0)}${opening(1)}${text("b", 1)}${text("a", 0)}${closing(1)}${closing(0)}data: [DONE]\n\n`,
    );
  });

  test("an error is the last event", () => {
    const { encoder } = decode({ stream: true });

    expect(encoder.failure(new ServiceError("model_unavailable", "It crashed."))).toBe(
      `data: {"error":{"message":"Model is unavailable, please try again later. It crashed.","type":"ModelUnavailable","param":null,"code":"ModelUnavailable"},"id":"chatcmpl-${REQUEST_ID}","request_id":"${REQUEST_ID}"}\n\n`,
    );
  });
});

describe("plain answers (docs/wire.md 2.2.3)", () => {
  test("the documented example", () => {
    expect(JSON.stringify(whole(decode({}), [start, delta(", the meadow wakes."), finish(), usage]))).toBe(
      `{"choices":[{"message":{"role":"assistant","content":", the meadow wakes."},"finish_reason":"stop","index":0,"logprobs":null}],"object":"chat.completion","usage":{"prompt_tokens":16,"completion_tokens":6,"total_tokens":22},${HEAD}}`,
    );
  });

  const token: TokenLogprob = {
    bytes: [230, 152, 165],
    logprob: -0.5,
    top: [{ bytes: [97], logprob: -0.25 }],
  };
  const shown = {
    content: [
      {
        token: "春",
        logprob: -0.5,
        bytes: [230, 152, 165],
        top_logprobs: [{ token: "a", logprob: -0.25, bytes: [97] }],
      },
    ],
  };

  test("log probabilities per token with bytes and alternatives", () => {
    const parts = [start, delta("春", 0, { logprobs: [token] }), finish(), usage];

    expect(whole(decode({ logprobs: true, top_logprobs: 1 }, "openai"), parts)).toMatchObject({
      choices: [{ logprobs: shown }],
    });
    const stream = chunks(streamed(decode({ logprobs: true, top_logprobs: 1, stream: true }, "openai"), parts));
    expect(stream.map(({ logprobs }) => logprobs)).toEqual([null, shown, null]);
  });
});

test("streamed contents, joined, are the plain content, however they are cut", () => {
  const piece = fc.record({ choice: fc.nat(2), text: fc.string({ unit: "binary", maxLength: 4 }) });
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const deltas = pieces.map(({ choice, text }) => delta(text, choice));
      const parts = [start, ...deltas, finish(0), finish(1), finish(2), usage];

      const events = chunks(streamed(decode({ n: 3, stream: true }), parts));
      const plain = whole(decode({ n: 3 }), parts);

      const joined = [0, 1, 2].map((index) =>
        events
          .filter((choice) => choice.index === index)
          .map((choice) => choice.delta.content)
          .join(""),
      );
      expect(plain).toMatchObject({ choices: joined.map((content) => ({ message: { content } })) });
    }),
  );
});
