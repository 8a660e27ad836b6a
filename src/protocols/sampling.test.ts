import { describe, expect, test } from "vitest";
import { refusal } from "../../test/support/protocol-call.ts";
import { type Rules, readSampling } from "./sampling.ts";

const VOCABULARY = 151_936;
const read = (fields: Record<string, unknown>, rules: Rules = "dashscope"): unknown =>
  readSampling(fields, rules, VOCABULARY);

describe("values in range are taken as they are", () => {
  test.each([
    [{ temperature: 0 }, { temperature: 0 }],
    [{ temperature: 1.999 }, { temperature: 1.999 }],
    [{ temperature: 1 }, { temperature: 1 }],
    [{ top_p: 1 }, { topP: 1 }],
    [{ top_p: 0.0001 }, { topP: 0.0001 }],
    [{ top_k: 0 }, { topK: 0 }],
    [{ top_k: 100 }, { topK: 100 }],
    [{ min_p: 0 }, { minP: 0 }],
    [{ presence_penalty: -2 }, { presencePenalty: -2 }],
    [{ presence_penalty: 2 }, { presencePenalty: 2 }],
    [{ frequency_penalty: 2 }, { frequencyPenalty: 2 }],
    [{ repetition_penalty: 0.01 }, { repetitionPenalty: 0.01 }],
    [{ seed: 0 }, { seed: 0 }],
    [{ seed: 2_147_483_647 }, { seed: 2_147_483_647 }],
    [{ logit_bias: {} }, {}],
    [{ temperature: null, top_p: null, seed: null, logit_bias: null }, {}],
  ])("%j", (fields, sampling) => {
    expect(read(fields)).toEqual(sampling);
  });
});

describe("values out of range and of wrong types are refused with the documented messages", () => {
  const temperature = "Temperature should be in [0.0, 2.0)";
  const topP = "Range of top_p should be (0.0, 1.0]";
  const presence = "Presence_penalty should be in [-2.0, 2.0]";
  const repetition = "Repetition_penalty should be greater than 0.0";
  test.each<[Record<string, unknown>, string]>([
    [{ temperature: 2 }, temperature],
    [{ temperature: -0.1 }, temperature],
    [{ temperature: "0.5" }, "'temperature' must be Float"],
    [{ temperature: true }, "'temperature' must be Float"],
    [{ temperature: Number.POSITIVE_INFINITY }, "'temperature' must be Float"],
    [{ top_p: 0 }, topP],
    [{ top_p: 1.0001 }, topP],
    [{ top_p: "1" }, "'top_p' must be Float"],
    [{ top_k: -1 }, "Parameter top_k be greater than or equal to 0"],
    [{ top_k: 1.5 }, "'top_k' must be Integer"],
    [{ min_p: 1.5 }, "Range of min_p should be [0.0, 1.0]"],
    [{ presence_penalty: 2.1 }, presence],
    [{ presence_penalty: -2.1 }, presence],
    [{ presence_penalty: [] }, "'presence_penalty' must be Float"],
    [{ frequency_penalty: 3 }, "Frequency_penalty should be in [-2.0, 2.0]"],
    [{ repetition_penalty: 0 }, repetition],
    [{ repetition_penalty: -1 }, repetition],
    [{ repetition_penalty: Number.POSITIVE_INFINITY }, "'repetition_penalty' must be Float"],
    [{ logit_bias: { "1": 1 } }, "The logit_bias parameter is not supported."],
    [{ logit_bias: 3 }, "'logit_bias' must be Object"],
  ])("%j", (fields, message) => {
    expect(refusal(() => read(fields))).toEqual(["invalid_parameter", message, Object.keys(fields)[0]]);
  });
});

describe("top_k", () => {
  test.each<[Rules, unknown, unknown]>([
    ["dashscope", null, { topK: 0 }],
    ["generation", null, { topK: 0 }],
    ["dashscope", 101, { topK: 0 }],
    ["generation", 101, { topK: 0 }],
    ["openai", null, {}],
    ["openai", 101, { topK: 101 }],
  ])("%s: %j", (rules, value, sampling) => {
    expect(read({ top_k: value }, rules)).toEqual(sampling);
  });
});

describe("seed", () => {
  test.each<[Rules, unknown, string, string]>([
    ["dashscope", -1, "invalid_value", "-1 is lesser than the minimum of 0 - 'seed'"],
    ["dashscope", 2_147_483_648, "invalid_value", "2147483648 is greater than the maximum of 2147483647 - 'seed'"],
    ["dashscope", 1.5, "invalid_value", "'seed' must be Integer"],
    ["dashscope", "1", "invalid_value", "'seed' must be Integer"],
    ["dashscope", true, "invalid_value", "'seed' must be Integer"],
    ["generation", -1, "invalid_parameter", "Range of seed should be [0, 9223372036854775807]"],
    ["generation", 1e19, "invalid_parameter", "Range of seed should be [0, 9223372036854775807]"],
    ["generation", 0.5, "invalid_parameter", "'seed' must be Integer"],
    [
      "openai",
      1e19,
      "invalid_value",
      "10000000000000000000 is greater than the maximum of 9223372036854775807 - 'seed'",
    ],
  ])("%s refuses %j", (rules, seed, code, message) => {
    expect(refusal(() => read({ seed }, rules))).toEqual([code, message, "seed"]);
  });

  test.each<[Rules, string]>([
    ["generation", "9223372036854775807"],
    ["generation", "4294967296"],
    ["openai", "-9223372036854775808"],
    ["openai", "9223372036854775807"],
  ])("%s accepts %s", (rules, text) => {
    expect(read({ seed: JSON.parse(text) }, rules)).toEqual({ seed: Number(text) });
  });
});

describe("the OpenAI dialect", () => {
  test("temperature goes up to 2 inclusive, and no further", () => {
    expect(read({ temperature: 2 }, "openai")).toEqual({ temperature: 2 });
    expect(refusal(() => read({ temperature: 2.01 }, "openai"))[1]).toBe("Temperature should be in [0.0, 2.0]");
  });

  test("logit_bias maps token ids to biases", () => {
    expect(read({ logit_bias: { "7": -100, "151935": 100 } }, "openai")).toEqual({
      logitBias: new Map([
        [7, -100],
        [151_935, 100],
      ]),
    });
  });

  test.each([
    [{ "7": 100.5 }, "Values of logit_bias should be in [-100, 100]"],
    [{ "7": "1" }, "Values of logit_bias should be in [-100, 100]"],
    [{ "151936": 1 }, `Keys of logit_bias should be token ids of the model's vocabulary, found "151936"`],
    [{ "-1": 1 }, `Keys of logit_bias should be token ids of the model's vocabulary, found "-1"`],
    [{ hello: 1 }, `Keys of logit_bias should be token ids of the model's vocabulary, found "hello"`],
  ])("logit_bias %j is refused", (bias, message) => {
    expect(refusal(() => read({ logit_bias: bias }, "openai"))).toEqual(["invalid_parameter", message, "logit_bias"]);
  });
});
