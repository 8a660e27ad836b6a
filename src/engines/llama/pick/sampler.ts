import type { Sampling } from "../../../continuation/request.ts";
import { drawFromAll } from "./draw.ts";

/** A token picked, with what `logprobs` reports of it. */
export interface Picked {
  readonly id: number;
  readonly logprob?: number;
  /** Likeliest first. */
  readonly top?: readonly { readonly id: number; readonly logprob: number }[];
}

/** Which tokens may come. */
export interface TokenFilter {
  readonly allows: (id: number) => boolean;
  /** In the order given. */
  readonly filter: (ids: readonly number[]) => number[];
  /** All that it allows, or more, if they are few. */
  readonly candidates: () => readonly number[] | undefined;
  /** Gives the tokens that it does not allow the logit -Infinity. False: that is all of them. */
  readonly keepAllowed: (logits: Float32Array) => boolean;
}

export interface PickOptions {
  /** How many likeliest tokens to report; absent: no log probabilities at all. */
  readonly alternatives?: number | undefined;
  /** Only these, at least one: they spell what the caller has written, so none is penalized for being there already. */
  readonly among?: readonly number[] | undefined;
  readonly filter?: TokenFilter | undefined;
  /** Ends are made likelier here. */
  readonly raised?: { readonly ids: readonly number[]; readonly by: number } | undefined;
  /** None of these, whatever a grammar says. */
  readonly barred?: readonly number[] | undefined;
}

/** One of the 64 likeliest tokens is nearly always allowed; asking a grammar about the whole vocabulary is slow. */
const LIKELY_ENOUGH = 64;

/**
 * Picks one token after another for one continuation.
 *
 * Order: logit bias, repetition (prompt and answer), frequency and presence (answer), temperature, top_k, top_p, min_p, draw.
 * Log probabilities are those of the model itself, before all of this. The draw is a function of the seed and of how
 * many tokens were accepted, so a continuation that moves to a new process goes on with the same numbers.
 */
export class Sampler {
  /** The likeliest token is taken, nothing is drawn. */
  readonly isGreedy: boolean;
  readonly #sampling: Sampling;
  readonly #seed: bigint;
  readonly #answer = new Map<number, number>();
  readonly #seen: Set<number>;
  #accepted = 0;

  /** @param prompt ids; only looked at for the repetition penalty. */
  constructor(sampling: Sampling, seed: bigint, prompt: readonly number[]) {
    this.isGreedy = sampling.temperature === 0 || sampling.topK === 1;
    this.#sampling = sampling;
    this.#seed = seed;
    this.#seen = (sampling.repetitionPenalty ?? 1) === 1 ? new Set() : new Set(prompt);
  }

  /**
   * The next token; undefined when the constraints leave none.
   *
   * @param logits by vocabulary id; changed in place.
   */
  pick(
    logits: Float32Array,
    { alternatives, among, filter, raised, barred = [] }: PickOptions = {},
  ): Picked | undefined {
    const report = alternatives === undefined ? undefined : scored(new Float32Array(logits), alternatives);
    this.#bias(logits);
    for (const id of raised?.ids ?? []) logits[id] = at(logits, id) + (raised?.by ?? 0);
    if (among === undefined) this.#penalize(logits);
    else keepOnly(logits, among);
    for (const id of barred) if (id < logits.length) logits[id] = Number.NEGATIVE_INFINITY;
    const free = this.#choose(logits, 0);
    // Drawing again among the allowed after a refusal is the same as drawing among the allowed only, and seldom needed.
    const id = filter === undefined || filter.allows(free) ? free : this.#chooseAllowed(logits, filter, among);
    if (id === undefined) return undefined;
    return report === undefined ? { id } : { id, logprob: report.logprob(id), top: report.top };
  }

  /** Tells the sampler what was picked, by itself or before it was moved here. */
  accept(id: number): void {
    this.#accepted += 1;
    this.#answer.set(id, (this.#answer.get(id) ?? 0) + 1);
    if ((this.#sampling.repetitionPenalty ?? 1) !== 1) this.#seen.add(id);
  }

  #bias(logits: Float32Array): void {
    for (const [id, bias] of this.#sampling.logitBias ?? []) {
      if (id < logits.length) logits[id] = at(logits, id) + bias;
    }
  }

  #penalize(logits: Float32Array): void {
    const { repetitionPenalty = 1, frequencyPenalty = 0, presencePenalty = 0 } = this.#sampling;
    if (repetitionPenalty !== 1) {
      for (const id of this.#seen) {
        const logit = at(logits, id);
        logits[id] = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
      }
    }
    if (frequencyPenalty === 0 && presencePenalty === 0) return;
    for (const [id, count] of this.#answer) logits[id] = at(logits, id) - count * frequencyPenalty - presencePenalty;
  }

  #chooseAllowed(logits: Float32Array, filter: TokenFilter, among?: readonly number[]): number | undefined {
    const isPossible = (id: number): boolean => at(logits, id) > Number.NEGATIVE_INFINITY;
    if (this.isGreedy) {
      const likely = largest(logits, LIKELY_ENOUGH).filter(isPossible);
      const allowed = new Set(filter.filter(likely));
      for (const id of likely) if (!allowed.has(id)) logits[id] = Number.NEGATIVE_INFINITY; // no rivals of the one picked
      const [first] = allowed;
      if (first !== undefined) return first;
    }
    const few = among ?? filter.candidates();
    if (few === undefined) {
      const id = filter.keepAllowed(logits) ? this.#choose(logits, 1) : -1;
      return isPossible(id) ? id : undefined;
    }
    const allowed = filter.filter(few).filter(isPossible);
    if (allowed.length === 0) return undefined;
    keepOnly(logits, allowed);
    return this.#choose(logits, 1);
  }

  /** @param attempt draws of one step are independent of each other. */
  #choose(logits: Float32Array, attempt: number): number {
    const { temperature = 1, topK = 0, topP = 1, minP = 0 } = this.#sampling;
    if (this.isGreedy) return argmax(logits);
    const share = uniform(this.#seed ^ (BigInt(attempt) << 63n), this.#accepted);
    if (topK === 0 || topK >= logits.length)
      return drawFromAll(logits, argmax(logits), { temperature, topP, minP }, share);
    let candidates = largest(logits, topK);
    let weights = candidates.map((id) => Math.exp((at(logits, id) - at(logits, candidates[0] ?? 0)) / temperature));
    const kept = Math.max(1, Math.min(nucleus(weights, topP), weights.filter((weight) => weight >= minP).length));
    candidates = candidates.slice(0, kept);
    weights = weights.slice(0, kept);
    let left = share * weights.reduce((sum, weight) => sum + weight, 0);
    for (const [index, weight] of weights.entries()) {
      left -= weight;
      if (left < 0) return candidates[index] ?? 0;
    }
    return candidates[weights.findLastIndex((weight) => weight > 0)] ?? 0; // rounding left a little over
  }
}

/** The first index of the largest value. */
export function argmax(values: Float32Array): number {
  let best = 0;
  let max = Number.NEGATIVE_INFINITY;
  // Nearly always none of the four is larger, so that four entries cost one branch: the vocabulary is long.
  for (let start = 0; start < values.length; start += 4) {
    const isBeaten =
      (values[start] as number) > max || // undefined, behind the end, is never larger
      (values[start + 1] as number) > max ||
      (values[start + 2] as number) > max ||
      (values[start + 3] as number) > max;
    if (!isBeaten) continue;
    for (let index = start; index < start + 4; index += 1) {
      const value = values[index] as number;
      if (!(value > max)) continue;
      max = value;
      best = index;
    }
  }
  return best;
}

/** By how much the value at `best` exceeds every other. */
export function margin(values: Float32Array, best: number): number {
  const value = at(values, best);
  values[best] = Number.NEGATIVE_INFINITY;
  const second = at(values, argmax(values));
  values[best] = value;
  return value - second;
}

function keepOnly(logits: Float32Array, ids: readonly number[]): void {
  const kept = ids.map((id) => at(logits, id));
  logits.fill(Number.NEGATIVE_INFINITY);
  for (const [index, id] of ids.entries()) logits[id] = kept[index] ?? Number.NEGATIVE_INFINITY;
}

/** Indices of the `count` largest values, largest first; among equal values the lower index first. */
export function largest(values: Float32Array, count: number): number[] {
  if (count <= 0) return [];
  // A sorted short list with a threshold: one comparison for nearly every entry of the vocabulary.
  const top: number[] = [];
  let threshold = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] as number; // within bounds
    if (value <= threshold) continue;
    let low = 0;
    let high = top.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (at(values, top[middle] ?? 0) >= value) low = middle + 1;
      else high = middle;
    }
    top.splice(low, 0, index);
    if (top.length > count) top.pop();
    if (top.length === count) threshold = at(values, top[count - 1] ?? 0);
  }
  return top;
}

/** How many of the leading weights it takes to reach the share `topP` of all. */
function nucleus(weights: readonly number[], topP: number): number {
  if (topP >= 1) return weights.length;
  const goal = topP * weights.reduce((sum, weight) => sum + weight, 0);
  let sum = 0;
  for (const [index, weight] of weights.entries()) {
    sum += weight;
    if (sum >= goal) return index + 1;
  }
  return weights.length;
}

/** The likeliest tokens of a row and the log probability of any other, natural logarithm. @param logits not to be changed. */
export function scored(
  logits: Float32Array,
  alternatives: number,
): {
  readonly top: readonly { readonly id: number; readonly logprob: number }[];
  readonly logprob: (id: number) => number;
} {
  const total = logSumExp(logits);
  const top = largest(logits, alternatives).map((id) => ({ id, logprob: at(logits, id) - total }));
  return { top, logprob: (id) => at(logits, id) - total };
}

function logSumExp(logits: Float32Array): number {
  const max = at(logits, argmax(logits));
  let sum = 0;
  for (let index = 0; index < logits.length; index += 1) sum += Math.exp((logits[index] as number) - max); // within bounds
  return max + Math.log(sum);
}

function at(values: Float32Array, index: number): number {
  return values[index] ?? Number.NEGATIVE_INFINITY;
}

/** A number in [0, 1) for each seed and step (splitmix64's finalizer over their sum in its own stride). */
export function uniform(seed: bigint, step: number): number {
  let bits = BigInt.asUintN(64, seed + 0x9e3779b97f4a7c15n * BigInt(step + 1));
  bits = BigInt.asUintN(64, (bits ^ (bits >> 30n)) * 0xbf58476d1ce4e5b9n);
  bits = BigInt.asUintN(64, (bits ^ (bits >> 27n)) * 0x94d049bb133111ebn);
  bits ^= bits >> 31n;
  return Number(bits >> 11n) / 2 ** 53;
}
