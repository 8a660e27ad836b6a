import type { StepCost } from "./step-cost.ts";

/**
 * Most rows of a step with guesses. From 64 rows on the library computes attention in tiles, which round otherwise than a
 * row alone; below, rows round nearly or exactly as they would alone, and a text stays the same.
 */
export const MOST_ROWS = 60;
/** The library computes rows in groups of so many; those left over cost as much as a step of their own. */
const GROUP = 4;
/** Guesses that promise less than this share are not worth the error of the promise. */
const LEAST_GAIN = 0.15;

/**
 * How many guesses of each answer a step verifies, so that the answers together are as fast as they can be and none is
 * slower for it than in a step without guesses.
 *
 * @param odds for each answer, how likely each guess is if those before it come true; empty: it has none.
 * @param rows of the step without guesses, at least one for each answer.
 * @param capacity rows of a batch.
 */
export function allot(
  odds: readonly (readonly number[])[],
  rows: number,
  cost: StepCost,
  capacity: number = MOST_ROWS,
): readonly number[] {
  const answers = odds.map((each) => new Answer(each));
  const available = odds.reduce((sum, each) => sum + each.length, 0);
  const most = Math.min(available, Math.min(MOST_ROWS, capacity) - rows);
  const plain = cost.of(rows);
  let best = { gain: 0, counts: odds.map(() => 0) as readonly number[] };
  for (let guesses = 1; guesses <= most; guesses += 1) {
    answers.reduce((a, b) => (b.nextGain > a.nextGain ? b : a)).add();
    if ((rows + guesses) % GROUP !== 0 && guesses !== available) continue;
    const slower = cost.of(rows + guesses) / plain;
    const isFair = answers.every(({ tokens }) => tokens >= slower * (tokens === 1 ? 1 : 1 + LEAST_GAIN));
    const gain = answers.reduce((sum, { tokens }) => sum + Math.log(tokens / slower), 0);
    if (isFair && gain > best.gain) best = { gain, counts: answers.map(({ count }) => count) };
  }
  return best.counts;
}

/** One answer in a step: how many tokens it gets of so many guesses. */
class Answer {
  count = 0;
  /** Expected, with the one that needs no guess. */
  tokens = 1;
  readonly #odds: readonly number[];
  /** That all guesses so far come true and the next one, too. */
  #chance: number;

  constructor(odds: readonly number[]) {
    this.#odds = odds;
    this.#chance = odds[0] ?? 0;
  }

  /** By what factor the next guess makes the answer faster; below 1: there is none. */
  get nextGain(): number {
    return this.count < this.#odds.length ? 1 + this.#chance / this.tokens : 0;
  }

  add(): void {
    this.count += 1;
    this.tokens += this.#chance;
    this.#chance *= this.#odds[this.count] ?? 0;
  }
}
