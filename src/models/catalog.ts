/**
 * The 45 model names of the two Model Studio pages (contract 5.1): what each may do, how much it takes, and where open
 * weights of it are. Data, no behaviour: who really answers to a name is decided by the configuration.
 */
import type { Sampling } from "../continuation/request.ts";

export interface CatalogueEntry {
  readonly name: string;
  /** Column C: the completions route takes it. */
  readonly completions: boolean;
  /** Column P: Partial Mode takes it. */
  readonly partial: boolean;
  /** The dated snapshot behind a moving name, where one is documented. */
  readonly resolvesTo?: string;
  readonly contextTokens: number;
  readonly maxInputTokens: number;
  readonly maxOutputTokens: number;
  /** Repository of the open weights, the same on Hugging Face and ModelScope; absent: closed. */
  readonly weights?: string;
  /** Defaults of chat (contract 2.2.1). Completions use them without the two penalties. */
  readonly defaults: Sampling;
}

interface TokenLimits {
  readonly contextTokens: number;
  readonly maxInputTokens: number;
  readonly maxOutputTokens: number;
}

const LIMITS_4K: TokenLimits = { contextTokens: 4096, maxInputTokens: 3072, maxOutputTokens: 3072 };
const LIMITS_32K: TokenLimits = { contextTokens: 32_768, maxInputTokens: 30_720, maxOutputTokens: 8192 };
const LIMITS_128K: TokenLimits = { contextTokens: 131_072, maxInputTokens: 129_024, maxOutputTokens: 8192 };
/** qwen-plus of 2026. Inputs leave 2,048 tokens of a context, here as in the two classes above. */
const LIMITS_1M: TokenLimits = { contextTokens: 1_000_000, maxInputTokens: 997_952, maxOutputTokens: 32_768 };
/** qwen-turbo: a million tokens too, with shorter answers: 8,192 on the dated snapshot, 16,384 on later ones. */
const LIMITS_1M_TURBO: TokenLimits = { ...LIMITS_1M, maxOutputTokens: 16_384 };
const LIMITS_1M_TURBO_1101: TokenLimits = { ...LIMITS_1M, maxOutputTokens: 8192 };

const COMMON: Sampling = { temperature: 0.7, topP: 0.8, topK: 20, presencePenalty: 0, repetitionPenalty: 1.05 };
const SMALL: Sampling = { ...COMMON, repetitionPenalty: 1.1 };
const CODER: Sampling = { ...COMMON, repetitionPenalty: 1.1 };
const MAX: Sampling = { ...COMMON, presencePenalty: 1.5, repetitionPenalty: 1 };
const MATH: Sampling = { temperature: 0, topP: 1, topK: 1, presencePenalty: 0, repetitionPenalty: 1 };

/** In the order of the contract's table. */
export const CATALOGUE: readonly CatalogueEntry[] = [
  coder("qwen-coder-turbo", LIMITS_128K, { resolvesTo: "qwen-coder-turbo-2024-09-19" }),
  coder("qwen-coder-turbo-latest", LIMITS_128K),
  // One snapshot under two names. Each page lists one of them, on its own route; we take both everywhere (5.1, ruling).
  coder("qwen-coder-turbo-0919", LIMITS_128K, { resolvesTo: "qwen-coder-turbo-2024-09-19" }),
  coder("qwen-coder-turbo-2024-09-19", LIMITS_128K),
  coder("qwen2.5-coder-32b-instruct", LIMITS_128K, { weights: "Qwen/Qwen2.5-Coder-32B-Instruct" }),
  coder("qwen2.5-coder-14b-instruct", LIMITS_128K, { weights: "Qwen/Qwen2.5-Coder-14B-Instruct" }),
  coder("qwen2.5-coder-7b-instruct", LIMITS_128K, { weights: "Qwen/Qwen2.5-Coder-7B-Instruct" }),
  coder("qwen2.5-coder-3b-instruct", LIMITS_32K, { weights: "Qwen/Qwen2.5-Coder-3B-Instruct" }),
  coder("qwen2.5-coder-1.5b-instruct", LIMITS_32K, { weights: "Qwen/Qwen2.5-Coder-1.5B-Instruct" }),
  coder("qwen2.5-coder-0.5b-instruct", LIMITS_32K, { weights: "Qwen/Qwen2.5-Coder-0.5B-Instruct" }),
  chat("qwen-coder-plus", LIMITS_128K, CODER, { resolvesTo: "qwen-coder-plus-2024-11-06" }),
  chat("qwen-coder-plus-latest", LIMITS_128K, CODER),
  chat("qwen-coder-plus-2024-11-06", LIMITS_128K, CODER),
  chat("qwen-max", LIMITS_32K, MAX, { resolvesTo: "qwen-max-2024-09-19" }),
  chat("qwen-max-latest", LIMITS_128K, MAX, { resolvesTo: "qwen-max-2025-01-25" }),
  chat("qwen-max-0125", LIMITS_128K, MAX, { resolvesTo: "qwen-max-2025-01-25" }),
  chat("qwen-max-0919", LIMITS_32K, MAX, { resolvesTo: "qwen-max-2024-09-19" }),
  chat("qwen-plus", LIMITS_1M, COMMON, { resolvesTo: "qwen-plus-2025-12-01" }),
  chat("qwen-plus-latest", LIMITS_1M, COMMON),
  chat("qwen-plus-0125", LIMITS_128K, COMMON, { resolvesTo: "qwen-plus-2025-01-25" }),
  chat("qwen-plus-0112", LIMITS_128K, COMMON, { resolvesTo: "qwen-plus-2025-01-12" }),
  chat("qwen-plus-1220", LIMITS_128K, COMMON, { resolvesTo: "qwen-plus-2024-12-20" }),
  chat("qwen-plus-1127", LIMITS_128K, COMMON, { resolvesTo: "qwen-plus-2024-11-27" }),
  chat("qwen-plus-1125", LIMITS_128K, COMMON, { resolvesTo: "qwen-plus-2024-11-25" }),
  chat("qwen-plus-0919", LIMITS_128K, COMMON, { resolvesTo: "qwen-plus-2024-09-19" }),
  chat("qwen-turbo", LIMITS_1M_TURBO, COMMON),
  chat("qwen-turbo-latest", LIMITS_1M_TURBO, COMMON),
  chat("qwen-turbo-1101", LIMITS_1M_TURBO_1101, COMMON, { resolvesTo: "qwen-turbo-2024-11-01" }),
  chat("qwen-turbo-0919", LIMITS_128K, COMMON, { resolvesTo: "qwen-turbo-2024-09-19" }),
  chat("qwen-math-plus", LIMITS_4K, MATH, { resolvesTo: "qwen-math-plus-2024-09-19" }),
  chat("qwen-math-plus-latest", LIMITS_4K, MATH),
  chat("qwen-math-plus-0919", LIMITS_4K, MATH, { resolvesTo: "qwen-math-plus-2024-09-19" }),
  chat("qwen-math-turbo", LIMITS_4K, MATH, { resolvesTo: "qwen-math-turbo-2024-09-19" }),
  chat("qwen-math-turbo-latest", LIMITS_4K, MATH),
  chat("qwen-math-turbo-0919", LIMITS_4K, MATH, { resolvesTo: "qwen-math-turbo-2024-09-19" }),
  chat("qwen2.5-math-72b-instruct", LIMITS_4K, MATH, { weights: "Qwen/Qwen2.5-Math-72B-Instruct" }),
  chat("qwen2.5-math-7b-instruct", LIMITS_4K, MATH, { weights: "Qwen/Qwen2.5-Math-7B-Instruct" }),
  chat("qwen2.5-math-1.5b-instruct", LIMITS_4K, MATH, { weights: "Qwen/Qwen2.5-Math-1.5B-Instruct" }),
  chat("qwen2.5-72b-instruct", LIMITS_128K, COMMON, { weights: "Qwen/Qwen2.5-72B-Instruct" }),
  chat("qwen2.5-32b-instruct", LIMITS_128K, COMMON, { weights: "Qwen/Qwen2.5-32B-Instruct" }),
  chat("qwen2.5-14b-instruct", LIMITS_128K, COMMON, { weights: "Qwen/Qwen2.5-14B-Instruct" }),
  chat("qwen2.5-7b-instruct", LIMITS_128K, COMMON, { weights: "Qwen/Qwen2.5-7B-Instruct" }),
  chat("qwen2.5-3b-instruct", LIMITS_32K, COMMON, { weights: "Qwen/Qwen2.5-3B-Instruct" }),
  chat("qwen2.5-1.5b-instruct", LIMITS_32K, SMALL, { weights: "Qwen/Qwen2.5-1.5B-Instruct" }),
  chat("qwen2.5-0.5b-instruct", LIMITS_32K, SMALL, { weights: "Qwen/Qwen2.5-0.5B-Instruct" }),
];

/**
 * Other spellings of snapshots that the catalogue has (contract 5.2): `-YYYY-MM-DD` for `-MMDD` and the reverse.
 * Both spellings of the coder-turbo snapshot are entries themselves.
 */
export const CATALOGUE_ALIASES: ReadonlyMap<string, string> = new Map([
  ["qwen-coder-plus-1106", "qwen-coder-plus-2024-11-06"],
  ["qwen-max-2025-01-25", "qwen-max-0125"],
  ["qwen-max-2024-09-19", "qwen-max-0919"],
  ["qwen-plus-2025-01-25", "qwen-plus-0125"],
  ["qwen-plus-2025-01-12", "qwen-plus-0112"],
  ["qwen-plus-2024-12-20", "qwen-plus-1220"],
  ["qwen-plus-2024-11-27", "qwen-plus-1127"],
  ["qwen-plus-2024-11-25", "qwen-plus-1125"],
  ["qwen-plus-2024-09-19", "qwen-plus-0919"],
  ["qwen-turbo-2024-11-01", "qwen-turbo-1101"],
  ["qwen-turbo-2024-09-19", "qwen-turbo-0919"],
  ["qwen-math-plus-2024-09-19", "qwen-math-plus-0919"],
  ["qwen-math-turbo-2024-09-19", "qwen-math-turbo-0919"],
]);

const BY_NAME: ReadonlyMap<string, CatalogueEntry> = new Map(CATALOGUE.map((entry) => [entry.name, entry]));

/** The entry of a name or of an alias of it (whose `name` is then the catalogue's); undefined: not in the catalogue. */
export function catalogueEntry(name: string): CatalogueEntry | undefined {
  return BY_NAME.get(CATALOGUE_ALIASES.get(name) ?? name);
}

type Origin = Pick<CatalogueEntry, "resolvesTo" | "weights">;

/** On both routes. */
function coder(name: string, limits: TokenLimits, origin: Origin = {}): CatalogueEntry {
  return { name, completions: true, partial: true, ...limits, ...origin, defaults: CODER };
}

/** On the chat routes only. */
function chat(name: string, limits: TokenLimits, defaults: Sampling, origin: Origin = {}): CatalogueEntry {
  return { name, completions: false, partial: true, ...limits, ...origin, defaults };
}
