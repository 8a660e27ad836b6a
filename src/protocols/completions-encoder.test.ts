import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { callOf, REQUEST_ID } from "../../test/support/protocol-call.ts";
import { type EchoPart, Fold, type StreamPart, type TokenLogprob } from "../continuation/output.ts";
import { ServiceError } from "../errors.ts";
import { completionsProtocol } from "./openai-completions.ts";
import type { Decoded, Dialect } from "./protocol.ts";

const decode = (body: object, dialect: Dialect = "dashscope"): Decoded =>
  completionsProtocol(dialect).decode({ model: "m", prompt: "a", ...body }, callOf());
const start = { type: "start", model: "weights", promptTokens: 8, truncatedTokens: 0, ignored: [] } as const;
const usage = (completionTokens: number, more = {}): StreamPart => ({
  type: "usage",
  usage: { promptTokens: 8, completionTokens, source: "engine", ...more },
});
const delta = (text: string, choice = 0, more = {}): StreamPart => ({ type: "delta", choice, text, ...more });
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
interface Chunk {
  readonly choices: readonly { text: string; index: number; logprobs: unknown; finish_reason: string | null }[];
  readonly usage: unknown;
}
const chunks = (events: string): readonly Chunk[] =>
  events
    .split("\n\n")
    .filter((event) => event.startsWith("data: {"))
    .map((event): Chunk => JSON.parse(event.slice("data: ".length)));

const HEAD = `"id":"cmpl-${REQUEST_ID}","object":"text_completion","created":1762840000,"model":"qwen2.5-coder-0.5b-instruct"`;
const FIM = { prompt: "<|fim_prefix|>def add(a, b):\n<|fim_suffix|>" };

const bytes = (text: string): number[] => [...Buffer.from(text)];
const scored = (token: string, logprob: number, top: readonly [string, number][] = []): TokenLogprob => ({
  bytes: bytes(token),
  logprob,
  top: top.map(([text, value]) => ({ bytes: bytes(text), logprob: value })),
});

describe("streams, byte for byte (docs/wire.md 2.1.3)", () => {
  const parts = [
    start,
    delta("    return", 0, { tokens: [1] }),
    delta("", 0, { tokens: [2] }),
    delta(" a + b\n", 0, { tokens: [3] }),
    finish(),
    usage(6),
  ];
  const choice = (text: string, reason: string): string =>
    `data: {${HEAD},"choices":[{"text":${JSON.stringify(text)},"index":0,"logprobs":null,"finish_reason":${reason}}],"usage":null,"system_fingerprint":null}\n\n`;
  const text = choice("    return", "null") + choice(" a + b\n", "null") + choice("", '"stop"');

  test("with usage", () => {
    const decoded = decode({ ...FIM, stream: true, stream_options: { include_usage: true } });

    expect(streamed(decoded, parts)).toBe(
      `${text}data: {${HEAD},"choices":[],"usage":{"prompt_tokens":8,"completion_tokens":6,"total_tokens":14},"system_fingerprint":null}\n\ndata: [DONE]\n\n`,
    );
  });

  test("without usage", () => {
    expect(streamed(decode({ ...FIM, stream: true }), parts)).toBe(`${text}data: [DONE]\n\n`);
  });

  test("an error ends the stream without a success marker", () => {
    const { encoder } = decode({ ...FIM, stream: true });
    encoder.part(start);

    expect(encoder.failure(new ServiceError("internal", "secret"))).toBe(
      `data: {"error":{"message":"An internal error has occured, please try again later or contact service support.","type":"internal_error","param":null,"code":"internal_error"},"id":"cmpl-${REQUEST_ID}","request_id":"${REQUEST_ID}"}\n\n`,
    );
  });
});

describe("plain answers (docs/wire.md 2.1.2)", () => {
  test("the documented example", () => {
    expect(whole(decode(FIM), [start, delta("    return a + b\n"), finish(), usage(6)])).toEqual({
      id: `cmpl-${REQUEST_ID}`,
      object: "text_completion",
      created: 1_762_840_000,
      model: "qwen2.5-coder-0.5b-instruct",
      choices: [{ text: "    return a + b\n", index: 0, logprobs: null, finish_reason: "stop" }],
      usage: { prompt_tokens: 8, completion_tokens: 6, total_tokens: 14 },
      system_fingerprint: null,
    });
  });

  test("cached tokens are reported when the engine said how many, 0 included", () => {
    const answer = whole(decode({}), [start, finish(), usage(0, { cachedPromptTokens: 0 })]);

    expect(answer).toMatchObject({ usage: { prompt_tokens_details: { cached_tokens: 0 } } });
  });

  test("scores needed only to choose the best are not shown", () => {
    const parts = [start, delta("x", 0, { logprobs: [scored("x", -1)] }), finish(), usage(1)];

    expect(whole(decode({ best_of: 2 }, "openai"), parts)).toMatchObject({ choices: [{ logprobs: null }] });
  });

  test("an answer cut by the time limit has no finish reason", () => {
    expect(whole(decode({}), [start, delta("x")])).toMatchObject({ choices: [{ text: "x", finish_reason: null }] });
  });

  test("every prompt has its choices, numbered through", () => {
    const decoded = decode({ prompt: ["a", "b"], n: 2 }, "openai");
    const parts = [0, 1, 2, 3].flatMap((index) => [delta(`t${index}`, index), finish("length", index)]);

    expect(whole(decoded, [start, ...parts, usage(4)])).toMatchObject({
      choices: [0, 1, 2, 3].map((index) => ({ index, text: `t${index}`, finish_reason: "length" })),
    });
  });
});

const echoOf = (choice: number, ...tokens: readonly string[]): EchoPart => ({
  type: "echo",
  choice,
  tokens: tokens.map((token, index) =>
    index === 0 ? { bytes: bytes(token), logprob: null } : scored(token, -index, [[token, -index]]),
  ),
});

describe("echo and log probabilities in the legacy form", () => {
  const parts = [
    start,
    echoOf(0, "def", " f"),
    delta("():", 0, {
      tokens: [1],
      logprobs: [
        scored("():", -0.5, [
          ["():", -0.5],
          ["(", -1],
        ]),
      ],
    }),
    finish(),
    usage(1),
  ];
  const prompt = {
    tokens: ["def", " f"],
    token_logprobs: [null, -1],
    top_logprobs: [null, { " f": -1 }],
    text_offset: [0, 3],
  };
  const answer = {
    tokens: ["():"],
    token_logprobs: [-0.5],
    top_logprobs: [{ "():": -0.5, "(": -1 }],
    text_offset: [5],
  };

  test("a plain answer holds prompt and text in one list", () => {
    expect(whole(decode({ prompt: "def f", echo: true, logprobs: 2 }, "openai"), parts)).toMatchObject({
      choices: [
        {
          text: "def f():",
          logprobs: {
            tokens: ["def", " f", "():"],
            token_logprobs: [null, -1, -0.5],
            top_logprobs: [null, { " f": -1 }, { "():": -0.5, "(": -1 }],
            text_offset: [0, 3, 5],
          },
        },
      ],
    });
  });

  test("a stream sends the prompt first, and offsets go on", () => {
    const events = chunks(
      streamed(decode({ prompt: "def f", echo: true, logprobs: 2, stream: true }, "openai"), parts),
    );

    expect(events.map(({ choices }) => choices[0])).toEqual([
      { text: "def f", index: 0, logprobs: prompt, finish_reason: null },
      { text: "():", index: 0, logprobs: answer, finish_reason: null },
      { text: "", index: 0, logprobs: null, finish_reason: "stop" },
    ]);
  });

  test("an echoed prompt without any generation", () => {
    const decoded = decode({ prompt: "def f", echo: true, logprobs: 0, max_tokens: 0 }, "openai");

    expect(whole(decoded, [start, echoOf(0, "def", " f"), finish("length"), usage(0)])).toMatchObject({
      choices: [{ text: "def f", finish_reason: "length", logprobs: { tokens: ["def", " f"] } }],
    });
  });

  test("markers are echoed as sent", () => {
    const decoded = decode({ prompt: "<|fim_prefix|>a<|fim_suffix|>", echo: true }, "openai");

    expect(whole(decoded, [start, delta("b"), finish(), usage(1)])).toMatchObject({
      choices: [{ text: "<|fim_prefix|>a<|fim_suffix|>b", logprobs: null }],
    });
  });

  test("each prompt of ids is echoed as the text of its own ids, for each of its choices", () => {
    const decoded = decode({ prompt: [[1, 2], [3]], echo: true, n: 2 }, "openai");
    const cut = (piece: number[]): EchoPart["tokens"][number] => ({ bytes: piece, logprob: null });
    const [first = 0, second = 0, third = 0] = bytes("春");
    const echoes: StreamPart[] = [
      { type: "echo", choice: 0, tokens: [cut([first]), cut([second, third])] },
      { type: "echo", choice: 2, tokens: [cut(bytes("x"))] },
    ];
    const texts = [0, 1, 2, 3].flatMap((index) => [delta(`t${index}`, index), finish("stop", index)]);

    expect(whole(decoded, [start, ...echoes, ...texts, usage(4)])).toMatchObject({
      choices: [{ text: "春t0" }, { text: "春t1" }, { text: "xt2" }, { text: "xt3" }].map((choice) => ({
        ...choice,
        logprobs: null,
      })),
    });
  });

  test("tokens behind the end of the text are left out, and offsets stay within it", () => {
    const parts = [
      start,
      delta("春", 0, { logprobs: [scored("春", -1)] }),
      delta("x", 0, { logprobs: [scored("x\n", -2), scored("\n", -3), scored("STOP", -4)] }),
      finish(),
      usage(4),
    ];
    const body = { logprobs: 0 };
    const held = { tokens: ["春", "x\n"], token_logprobs: [-1, -2], text_offset: [0, 1] };

    expect(whole(decode(body, "openai"), parts)).toMatchObject({ choices: [{ text: "春x", logprobs: held }] });
    const events = chunks(streamed(decode({ ...body, stream: true }, "openai"), parts));
    expect(events.map(({ choices }) => choices[0]?.logprobs)).toMatchObject([
      { tokens: ["春"], text_offset: [0] },
      { tokens: ["x\n"], text_offset: [1] },
      null,
    ]);
  });

  test("a part of an answer that shows neither text nor token is no chunk", () => {
    const parts = [start, delta("", 0, { logprobs: [scored("STOP", -1)] }), finish(), usage(1)];

    expect(chunks(streamed(decode({ logprobs: 0, stream: true }, "openai"), parts))).toHaveLength(1);
  });
});

describe("laws", () => {
  const piece = fc.record({ choice: fc.nat(1), text: fc.string({ unit: "binary", maxLength: 4 }) });

  test("streamed text, joined, is the plain text, however it is cut", () => {
    fc.assert(
      fc.property(fc.array(piece), fc.boolean(), (pieces, echo) => {
        const body = { n: 2, echo, prompt: "p春" };
        const parts = [
          start,
          ...pieces.map(({ choice, text }) => delta(text, choice)),
          finish("stop", 0),
          finish("stop", 1),
          usage(1),
        ];

        const events = chunks(streamed(decode({ ...body, stream: true }, "openai"), parts)).flatMap(
          ({ choices }) => choices,
        );
        const plain = whole(decode(body, "openai"), parts);

        const joined = [0, 1].map((index) =>
          events
            .filter((choice) => choice.index === index)
            .map(({ text }) => text)
            .join(""),
        );
        expect(plain).toMatchObject({ choices: joined.map((text) => ({ text })) });
        expect(events.filter((choice) => choice.finish_reason !== null).map(({ index }) => index)).toEqual([0, 1]);
      }),
    );
  });
});
