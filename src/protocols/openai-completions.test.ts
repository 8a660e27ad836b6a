import { describe, expect, test } from "vitest";
import { callOf, cardOf, modelOf, refusal } from "../../test/support/protocol-call.ts";
import { completionsProtocol } from "./openai-completions.ts";
import type { Call, Decoded, Dialect } from "./protocol.ts";

const decode = (body: object, dialect: Dialect = "dashscope", change: Partial<Call> = {}): Decoded =>
  completionsProtocol(dialect).decode({ model: "m", prompt: "a", ...body }, callOf(change));
const FIM = { prompt: "<|fim_prefix|>def add(a, b):\n<|fim_suffix|>" };

describe("requests on DashScope paths", () => {
  test("one prompt with nothing else takes the model's own values", () => {
    const decoded = decode(FIM);

    expect(decoded.requests).toEqual([
      {
        model: "qwen2.5-coder-0.5b-instruct",
        input: { kind: "infill", context: [], prefix: "def add(a, b):\n", suffix: "", middle: "", writtenMarkers: 2 },
        sampling: {},
        defaults: { model: { temperature: 0.7, topP: 0.8 }, operator: { topK: 20 } },
        limits: { maxTokens: 4096, stopStrings: [], stopSequences: [], maxInputTokens: 8191, truncate: false },
        choices: 1,
        promptLogprobs: false,
      },
    ]);
    expect([decoded.stream, decoded.ignored, decoded.keepBest]).toEqual([false, [], undefined]);
  });

  test("parameters the caller gives are taken", () => {
    const [request] = decode({
      max_tokens: 3,
      temperature: 0,
      stop: ["\n"],
      seed: 7,
      presence_penalty: 1,
      repetition_penalty: 1.2,
      truncate_prompt: true,
    }).requests;

    expect(request?.sampling).toEqual({ temperature: 0, seed: 7, presencePenalty: 1, repetitionPenalty: 1.2 });
    expect(request?.limits).toMatchObject({ maxTokens: 3, stopStrings: ["\n"], truncate: true });
  });

  test.each([
    ["strings", ["a", "b"], [{ kind: "text" }, { kind: "text" }]],
    ["ids", [1, 2], [{ kind: "tokens", tokens: [1, 2] }]],
    ["lists of ids", [[1], [2, 3]], [{ tokens: [1] }, { tokens: [2, 3] }]],
    ["64 strings", Array.from({ length: 64 }, () => "a"), Array.from({ length: 64 }, () => ({ kind: "text" }))],
    ["many ids", Array.from({ length: 100 }, () => 1), [{ kind: "tokens" }]],
  ])("prompt as %s", (_, prompt, inputs) => {
    expect(decode({ prompt }).requests.map(({ input }) => input)).toMatchObject(inputs);
  });

  const missing = "Required parameter(prompt) missing or invalid, please check the request parameters.";
  const tooShort = "Range of input length should be [1, 8191]";
  test.each<[string, object, string, string]>([
    ["no prompt", { prompt: undefined }, "missing_parameter", missing],
    ["a null prompt", { prompt: null }, "missing_parameter", missing],
    ["a number", { prompt: 5 }, "invalid_parameter", "input content must be a string."],
    ["an object", { prompt: {} }, "invalid_parameter", "input content must be a string."],
    ["a mixed list", { prompt: ["a", 1] }, "invalid_parameter", "input content must be a string."],
    ["an empty prompt", { prompt: "" }, "invalid_parameter", tooShort],
    ["an empty prompt among others", { prompt: ["a", ""] }, "invalid_parameter", tooShort],
    ["no prompts", { prompt: [] }, "invalid_parameter", "[] is too short"],
    ["no ids", { prompt: [[1], []] }, "invalid_parameter", tooShort],
    [
      "65 prompts",
      { prompt: Array.from({ length: 65 }, () => "a") },
      "invalid_parameter",
      "At most 64 prompts are allowed in one call, found 65",
    ],
    [
      "an id outside the vocabulary",
      { prompt: [0, 151_936] },
      "invalid_parameter",
      "Token ids of prompt should be in [0, 151935], found 151936",
    ],
    [
      "a negative id",
      { prompt: [[-1]] },
      "invalid_parameter",
      "Token ids of prompt should be in [0, 151935], found -1",
    ],
    ["a fraction", { prompt: [1.5] }, "invalid_parameter", "Token ids of prompt should be in [0, 151935], found 1.5"],
    ["max_tokens 0", { max_tokens: 0 }, "invalid_parameter", "Range of max_tokens should be [1, 4096]"],
    ["too many max_tokens", { max_tokens: 4097 }, "invalid_parameter", "Range of max_tokens should be [1, 4096]"],
    ["max_tokens as text", { max_tokens: "5" }, "invalid_parameter", "'max_tokens' must be Integer"],
    ["stream as text", { stream: "true" }, "invalid_parameter", "'stream' must be Boolean"],
    ["stream as number", { stream: 1 }, "invalid_parameter", "'stream' must be Boolean"],
    [
      "include_usage as text",
      { stream: true, stream_options: { include_usage: "yes" } },
      "invalid_parameter",
      "'include_usage' must be Boolean",
    ],
    ["echo", { echo: true }, "invalid_parameter", "The echo parameter is not supported."],
    ["n", { n: 2 }, "invalid_parameter", "Range of n should be [1, 1]"],
    ["best_of", { best_of: 2 }, "invalid_parameter", "Range of best_of should be [1, 1]"],
    ["logit_bias", { logit_bias: { "1": 1 } }, "invalid_parameter", "The logit_bias parameter is not supported."],
    ["suffix as number", { suffix: 1 }, "invalid_parameter", "'suffix' must be String"],
    [
      "suffix with ids",
      { prompt: [1], suffix: "b" },
      "invalid_parameter",
      "The suffix parameter needs a prompt of text, not of token ids.",
    ],
    [
      "an empty prompt with suffix",
      { prompt: "", suffix: "b" },
      "invalid_parameter",
      "Generating a prefix from a suffix only is not supported, the prefix must not be empty.",
    ],
    ["truncate_prompt as text", { truncate_prompt: "1" }, "invalid_parameter", "'truncate_prompt' must be Boolean"],
  ])("%s is refused", (_, body, code, message) => {
    expect(refusal(() => decode(body)).slice(0, 2)).toEqual([code, message]);
  });

  test("what is accepted without effect is reported, unless it asks for nothing", () => {
    expect(
      decode({
        ...{ suffix: null, echo: false, n: 1, best_of: 1, logit_bias: {}, frequency_penalty: 0, stream_options: null },
        logprobs: 0,
      }).ignored,
    ).toEqual([]);
    expect(
      decode({ logprobs: 3, user: "u", foo: { bar: 1 }, token_healing: true, speculation: false, nothing: null })
        .ignored,
    ).toEqual(["logprobs", "user", "foo"]);
  });

  test("stream_options have no effect without stream, and nested unknown ones never", () => {
    expect(decode({ stream_options: { include_usage: true } }).ignored).toEqual(["stream_options"]);
    expect(decode({ stream: true, stream_options: { include_usage: true, x: 1 } }).ignored).toEqual([
      "stream_options.x",
    ]);
  });

  test("null is absent for every optional field", () => {
    const nothing = Object.fromEntries(
      ["max_tokens", "temperature", "top_p", "stream", "stop", "seed", "n", "best_of", "echo", "suffix"].map((name) => [
        name,
        null,
      ]),
    );

    expect(decode(nothing).requests).toEqual(decode({}).requests);
  });
});

describe("who may call, and who is asked", () => {
  test("catalogued names off the list are refused on DashScope paths only", () => {
    const card = cardOf({ name: "qwen-plus", completions: false });

    expect(refusal(() => completionsProtocol("dashscope").admit(card)).slice(0, 2)).toEqual([
      "model_not_supported",
      "Unsupported model qwen-plus for OpenAI compatibility mode.",
    ]);
    completionsProtocol("openai").admit(card);
    completionsProtocol("dashscope").admit(cardOf({ catalogued: false }));
    completionsProtocol("dashscope").admit(cardOf());
  });

  test("markers or a suffix ask for weights that fill in", () => {
    const { wanted } = completionsProtocol("dashscope");

    expect(wanted({ prompt: "a" })).toBe("text");
    expect(wanted({ prompt: "a", suffix: "" })).toBe("text");
    expect(wanted({ prompt: "a", suffix: "b" })).toBe("infill");
    expect(wanted({ prompt: ["a", "<|fim_prefix|>"] })).toBe("infill");
    expect(wanted({ prompt: [1, 2], suffix: null })).toBe("text");
    expect(wanted({})).toBe("text");
  });

  const base = { card: cardOf({ answeredBy: { id: "base", standIn: true, model: textOnly() } }) };
  function textOnly(): ReturnType<typeof modelOf> {
    const { fim: _, ...model } = modelOf();
    return model;
  }

  test("weights without a layout take a prefix, and refuse a suffix naming those that can", () => {
    expect(decode(FIM, "dashscope", base).requests).toHaveLength(1);
    expect(refusal(() => decode({ suffix: "b" }, "dashscope", base))).toEqual([
      "unsupported_input",
      'The model qwen2.5-coder-0.5b-instruct is answered by "base", which has no fill-in-the-middle layout, so the suffix cannot be honoured; leave the suffix out or choose one of: qwen-coder-turbo, coder.',
      "suffix",
    ]);
    const remote = cardOf({ answeredBy: { id: "base", standIn: true, model: { ...textOnly(), mayEmulate: true } } });
    expect(refusal(() => decode({ suffix: "b" }, "dashscope", { card: remote }))[1]).toContain("`emulate: true`");
    expect(
      refusal(() => decode({ prompt: "<|fim_prefix|>a<|fim_suffix|>b" }, "openai", { ...base, infillModels: [] }))[1],
    ).toMatch(/leave the suffix out, or have the operator add weights that have one\.$/);
  });
});

describe("the OpenAI dialect", () => {
  test("n, best_of and logprobs are real", () => {
    const { requests, keepBest } = decode({ n: 2, best_of: 5, logprobs: 3 }, "openai");

    expect([requests[0]?.choices, requests[0]?.logprobs, keepBest]).toEqual([5, 3, 2]);
  });

  test("choosing the best scores tokens even when nobody asked to see it", () => {
    expect(decode({ best_of: 2 }, "openai").requests[0]?.logprobs).toBe(0);
  });

  test("echoed ids are scored, because their text is known from that", () => {
    expect(decode({ prompt: [1], echo: true }, "openai").requests[0]).toMatchObject({
      promptLogprobs: true,
      logprobs: 0,
    });
    expect(decode({ echo: true }, "openai").requests[0]).toMatchObject({ promptLogprobs: false });
    expect(decode({ echo: true, logprobs: 1 }, "openai").requests[0]).toMatchObject({
      promptLogprobs: true,
      logprobs: 1,
    });
  });

  test("an empty prompt with a suffix is the top of a file", () => {
    expect(decode({ prompt: "", suffix: "b" }, "openai").requests[0]?.input).toMatchObject({ prefix: "", suffix: "b" });
  });

  test("max_tokens 0 evaluates an echoed prompt", () => {
    expect(decode({ max_tokens: 0, echo: true }, "openai").requests[0]?.limits.maxTokens).toBe(0);
  });

  test.each<[object, string]>([
    [{ max_tokens: 0 }, "Range of max_tokens should be [1, 4096]"],
    [{ n: 9 }, "Range of n should be [1, 8]"],
    [{ n: 0 }, "Range of n should be [1, 8]"],
    [{ n: 3, best_of: 2 }, "Range of best_of should be [3, 20]"],
    [{ best_of: 2, stream: true }, "best_of greater than n cannot be used with stream."],
    [{ logprobs: 6 }, "Range of logprobs should be [0, 5]"],
    [{ logprobs: true }, "'logprobs' must be Integer"],
    [{ echo: true, suffix: "b" }, "echo cannot be used with suffix."],
    [{ echo: 1 }, "'echo' must be Boolean"],
    [{ logit_bias: { "1": 101 } }, "Values of logit_bias should be in [-100, 100]"],
  ])("%j is refused", (body, message) => {
    expect(refusal(() => decode(body, "openai")).slice(0, 2)).toEqual(["invalid_parameter", message]);
  });
});
