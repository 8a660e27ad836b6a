import type { Sampling } from "../continuation/request.ts";
import { ServiceError } from "../errors.ts";
import {
  type Bounds,
  between,
  type Fields,
  invalid,
  readInteger,
  readNumber,
  readObject,
  shown,
} from "./parameters.ts";
import type { Dialect } from "./protocol.ts";

/** Which rules a wire has; `generation` is DashScope's own route. */
export type Rules = Dialect | "generation";

type Numeric = Exclude<keyof Sampling, "seed" | "topK" | "logitBias">;

/** Fields that hold any number. Messages: docs/wire.md 6.5. */
const NUMBERS: Readonly<Record<Numeric, { readonly field: string; readonly bounds: Bounds }>> = {
  temperature: {
    field: "temperature",
    bounds: { allows: (value) => value >= 0 && value < 2, message: "Temperature should be in [0.0, 2.0)" },
  },
  topP: {
    field: "top_p",
    bounds: { allows: (value) => value > 0 && value <= 1, message: "Range of top_p should be (0.0, 1.0]" },
  },
  minP: { field: "min_p", bounds: between(0, 1, "Range of min_p should be [0.0, 1.0]") },
  presencePenalty: {
    field: "presence_penalty",
    bounds: between(-2, 2, "Presence_penalty should be in [-2.0, 2.0]"),
  },
  frequencyPenalty: {
    field: "frequency_penalty",
    bounds: between(-2, 2, "Frequency_penalty should be in [-2.0, 2.0]"),
  },
  repetitionPenalty: {
    field: "repetition_penalty",
    bounds: { allows: (value) => value > 0, message: "Repetition_penalty should be greater than 0.0" },
  },
};

const NUMERIC = Object.keys(NUMBERS).filter((key): key is Numeric => Object.hasOwn(NUMBERS, key));

const OPENAI_TEMPERATURE = between(0, 2, "Temperature should be in [0.0, 2.0]");

/** DashScope: more candidates than this switch `top_k` off (docs/wire.md 2.2.1). */
const LARGEST_TOP_K = 100;

/** Request fields that `readSampling` reads. */
export const SAMPLING_FIELDS = [...NUMERIC.map((key) => NUMBERS[key].field), "top_k", "seed", "logit_bias"];

/** The caller's values. What the caller leaves open is left out. */
export function readSampling(fields: Fields, rules: Rules, vocabularySize?: number): Sampling {
  const sampling: { -readonly [Key in keyof Sampling]: Sampling[Key] } = {};
  for (const key of NUMERIC) {
    const { field, bounds } = NUMBERS[key];
    const openAi = rules === "openai" && key === "temperature";
    const value = readNumber(fields, field, openAi ? OPENAI_TEMPERATURE : bounds);
    if (value !== undefined) sampling[key] = value;
  }
  const topK = readTopK(fields, rules);
  if (topK !== undefined) sampling.topK = topK;
  const seed = readSeed(fields, rules);
  if (seed !== undefined) sampling.seed = seed;
  const logitBias = readLogitBias(fields, rules, vocabularySize);
  if (logitBias !== undefined) sampling.logitBias = logitBias;
  return sampling;
}

function readTopK(fields: Fields, rules: Rules): number | undefined {
  // The one parameter whose null says something: docs/wire.md 2.2.1.
  if (rules !== "openai" && fields["top_k"] === null) return 0;
  const bounds: Bounds = {
    allows: (value) => value >= 0,
    message: "Parameter top_k be greater than or equal to 0",
  };
  const value = readInteger(fields, "top_k", bounds);
  if (value === undefined) return undefined;
  return rules !== "openai" && value > LARGEST_TOP_K ? 0 : value;
}

interface SeedRange {
  readonly low: number;
  readonly high: number;
  /** As the messages print them: the 64-bit ends are no JavaScript numbers. */
  readonly lowText: string;
  readonly highText: string;
}

const SEEDS: Readonly<Record<Rules, SeedRange>> = {
  dashscope: { low: 0, high: 2 ** 31 - 1, lowText: "0", highText: "2147483647" },
  // JSON.parse rounds 9223372036854775807 up to 2 ** 63, so that is the bound.
  generation: { low: 0, high: 2 ** 63, lowText: "0", highText: "9223372036854775807" },
  openai: { low: -(2 ** 63), high: 2 ** 63, lowText: "-9223372036854775808", highText: "9223372036854775807" },
};

function readSeed(fields: Fields, rules: Rules): number | undefined {
  const value = fields["seed"] ?? undefined;
  if (value === undefined) return undefined;
  const { low, high, lowText, highText } = SEEDS[rules];
  if (typeof value !== "number" || !Number.isInteger(value)) throw wrongSeed(rules, "'seed' must be Integer");
  if (value >= low && value <= high) return value;
  if (rules === "generation") throw wrongSeed(rules, `Range of seed should be [${lowText}, ${highText}]`);
  const text = Number.isSafeInteger(value) ? String(value) : BigInt(value).toString();
  if (value < low) throw wrongSeed(rules, `${text} is lesser than the minimum of ${lowText} - 'seed'`);
  throw wrongSeed(rules, `${text} is greater than the maximum of ${highText} - 'seed'`);
}

/** docs/wire.md 6.5: on the OpenAI-shaped routes `seed` errors have a code of their own. */
function wrongSeed(rules: Rules, message: string): ServiceError {
  return new ServiceError(rules === "generation" ? "invalid_parameter" : "invalid_value", message, { param: "seed" });
}

const BIAS: Bounds = between(-100, 100, "Values of logit_bias should be in [-100, 100]");

function readLogitBias(
  fields: Fields,
  rules: Rules,
  vocabularySize = Number.POSITIVE_INFINITY,
): ReadonlyMap<number, number> | undefined {
  const biases = readObject(fields, "logit_bias");
  const ids = Object.keys(biases ?? {});
  if (biases === undefined || ids.length === 0) return undefined;
  if (rules !== "openai") throw invalid("logit_bias", "The logit_bias parameter is not supported.");
  const entries = ids.map((id): [number, number] => {
    if (!/^\d+$/.test(id) || Number(id) >= vocabularySize) {
      throw invalid(
        "logit_bias",
        `Keys of logit_bias should be token ids of the model's vocabulary, found ${shown(id)}`,
      );
    }
    const value = biases[id];
    if (typeof value !== "number" || !BIAS.allows(value)) throw invalid("logit_bias", BIAS.message);
    return [Number(id), value];
  });
  return new Map(entries);
}
