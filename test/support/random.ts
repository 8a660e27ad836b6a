/** Reproducible random numbers for test models: the same seed gives the same file on every machine. */
export class Random {
  #state: number;

  /** @param seed any 32-bit integer but 0, which xorshift cannot leave. */
  constructor(seed: number) {
    if ((seed | 0) === 0) throw new RangeError("the seed must not be 0");
    this.#state = seed | 0;
  }

  /** 32 random bits as a signed integer, never 0 (Marsaglia's xorshift32). */
  bits(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return state;
  }

  /** [0, 1). */
  uniform(): number {
    return (this.bits() >>> 0) / 2 ** 32;
  }

  /** Mean 0, standard deviation 1: twelve uniform numbers are normal enough for weights, and the sum is exact everywhere. */
  normal(): number {
    let sum = -6;
    for (let count = 0; count < 12; count += 1) sum += this.uniform();
    return sum;
  }
}
