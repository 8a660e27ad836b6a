/** When a second replica may be asked the same, and how often. */
export interface HedgeOptions {
  /** How long the first may take for its first text: so many milliseconds, or the time that so many percent of all took. */
  readonly after: { readonly ms: number } | { readonly percentile: number };
  /** Extra requests for each request, above 0 and at most 1. */
  readonly share: number;
}

/** Extra requests that may come at once after a quiet time. */
const BURST = 5;
/** Times that a percentile is taken of: the latest, and how many at least. */
const MOST_TIMES = 200;
const LEAST_TIMES = 20;

/** The budget for second requests, and the delay before one, of one pool. */
export class Hedging {
  readonly #options: HedgeOptions;
  #budget = BURST;
  #times: number[] = [];
  #next = 0;

  constructor(options: HedgeOptions) {
    this.#options = options;
  }

  /** Milliseconds; undefined: nobody knows yet what is slow. */
  get delayMs(): number | undefined {
    const { after } = this.#options;
    if ("ms" in after) return after.ms;
    if (this.#times.length < LEAST_TIMES) return undefined;
    const sorted = this.#times.toSorted((a, b) => a - b);
    return sorted[Math.ceil((after.percentile / 100) * sorted.length) - 1];
  }

  /** A request that may be hedged has come. */
  earn(): void {
    this.#budget = Math.min(BURST, this.#budget + this.#options.share);
  }

  /** False: there were too many already. */
  spend(): boolean {
    if (this.#budget < 1) return false;
    this.#budget -= 1;
    return true;
  }

  /** How long a first text took. */
  measured(ms: number): void {
    this.#times[this.#next] = ms;
    this.#next = (this.#next + 1) % MOST_TIMES;
  }
}
