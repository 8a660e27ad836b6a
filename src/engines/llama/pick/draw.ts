/** Drawing among a whole vocabulary. Sorting it would take a hundred times as long as reading it. */

export interface DrawOptions {
  /** More than 0. */
  readonly temperature: number;
  /** 1: no bound. */
  readonly topP: number;
  /** 0: no bound. */
  readonly minP: number;
}

/** Weights are sorted into bands to find where top_p ends: 32 for each factor of e, and the last one for all smaller weights. */
const BANDS_PER_FACTOR = 32;
const BANDS = 1024;

/** Weights by vocabulary id, of use within one call only: a new array for every token would cost more than to fill one. */
let weights = new Float64Array(0);

/** Sums of the weights in each band, of use within one call, too. */
const sums = new Float64Array(BANDS);

/**
 * One of the tokens that `topP` and `minP` leave, the first whose weight and those of lower ids exceed `share` of all.
 *
 * @param logits by vocabulary id. @param likeliest id of the largest of them. @param share from 0, less than 1.
 */
export function drawFromAll(logits: Float32Array, likeliest: number, options: DrawOptions, share: number): number {
  let total = weigh(logits, likeliest, options);
  if (options.topP < 1) total = keepNucleus(logits, likeliest, options, options.topP * total);
  let left = share * total;
  let last = likeliest;
  for (let id = 0; id < logits.length; id += 1) {
    const weight = weights[id] as number; // within bounds
    if (weight === 0) continue;
    left -= weight;
    if (left < 0) return id;
    last = id;
  }
  return last; // rounding left a little over
}

/** Weighs all tokens, the likeliest with 1 and those that `minP` drops with 0. Returns the sum. */
function weigh(logits: Float32Array, likeliest: number, { temperature, topP, minP }: DrawOptions): number {
  if (weights.length < logits.length) weights = new Float64Array(logits.length);
  const max = logits[likeliest] ?? Number.NEGATIVE_INFINITY;
  const farthest = minP > 0 ? -Math.log(minP) : Number.POSITIVE_INFINITY;
  let total = 0;
  sums.fill(0);
  for (let id = 0; id < logits.length; id += 1) {
    const distance = (max - (logits[id] as number)) / temperature; // within bounds
    const weight = distance <= farthest ? Math.exp(-distance) : 0;
    weights[id] = weight;
    total += weight;
    if (topP < 1) sums[bandOf(distance)] = (sums[bandOf(distance)] as number) + weight; // within bounds
  }
  return total;
}

/** @param distance of a logit from the largest one, in units of the temperature. */
function bandOf(distance: number): number {
  return distance < BANDS / BANDS_PER_FACTOR ? Math.floor(distance * BANDS_PER_FACTOR) : BANDS - 1;
}

/**
 * Leaves the likeliest tokens whose weights come to `goal`, as few as it takes, of equal ones the lower ids. Returns the sum.
 * Only those in the band in which the sum is reached are put in order.
 */
function keepNucleus(logits: Float32Array, likeliest: number, { temperature }: DrawOptions, goal: number): number {
  const max = logits[likeliest] ?? Number.NEGATIVE_INFINITY;
  let kept = 0;
  let border = 0;
  for (; border < BANDS - 1 && kept + (sums[border] as number) < goal; border += 1) kept += sums[border] as number; // within bounds
  // Nearly all tokens are lighter than all of the border; the next band is there for rounding.
  const lightest = border < BANDS - 1 ? Math.exp(-(border + 2) / BANDS_PER_FACTOR) : 0;
  const undecided: number[] = [];
  for (let id = 0; id < logits.length; id += 1) {
    const isLight = (weights[id] as number) < lightest; // within bounds
    const band = isLight ? BANDS : bandOf((max - (logits[id] as number)) / temperature);
    if (band > border) weights[id] = 0;
    else if (band === border) undecided.push(id);
  }
  undecided.sort((a, b) => (logits[b] as number) - (logits[a] as number) || a - b); // within bounds
  for (const id of undecided) {
    if (kept < goal)
      kept += weights[id] as number; // within bounds
    else weights[id] = 0;
  }
  return kept;
}
