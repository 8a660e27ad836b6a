/** Tokens that must agree before what followed them is found. */
export const LEAST_MATCH = 2;
/** A longer agreement than this says nothing more. */
export const MOST_MATCH = 16;
/** Most earlier places that are compared. In a text that repeats two tokens more often, the latest ones are enough. */
const MOST_PLACES = 64;
/** Most earlier places that are asked for another token. */
const MOST_RIVALS = 8;
const FIRST_CAPACITY = 1_024;

/** An earlier place in a text. */
export interface Place {
  /** Index of the token that followed. */
  readonly next: number;
  /** Tokens before it that agree, at most `MOST_MATCH`. */
  readonly match: number;
}

/**
 * Where a growing text has the tokens that are looked for: pairs of tokens are hashed, and the places of a pair are chained,
 * latest first. Adding a token and looking one up take constant time.
 */
export class Repeats {
  readonly #tokens: readonly number[];
  readonly #isEnd: (id: number) => boolean;
  /** By hash, the index behind the last token of the latest pair; 0: none. */
  #heads = new Int32Array(2 * FIRST_CAPACITY);
  /** By index, the index of the place before. */
  #earlier = new Int32Array(FIRST_CAPACITY);
  /** Places before this index are in. */
  #indexed = LEAST_MATCH;

  /**
   * @param tokens may grow.
   * @param isEnd tokens that are no text; none is what followed.
   */
  constructor(tokens: readonly number[], isEnd: (id: number) => boolean) {
    this.#tokens = tokens;
    this.#isEnd = isEnd;
  }

  /** The longest earlier occurrence of the end of `recent`, the latest one among equals. */
  find(recent: readonly number[]): Place | undefined {
    this.#update();
    const [first, second] = recent.slice(-LEAST_MATCH);
    if (first === undefined || second === undefined) return undefined;
    let best: Place | undefined;
    let next = this.#heads[this.#hash(first, second)] ?? 0;
    for (let places = 0; next > 0 && places < MOST_PLACES; places += 1) {
      const match = agreement(this.#tokens, next, recent);
      if (match > (best?.match ?? LEAST_MATCH - 1)) best = { next, match };
      if (match === MOST_MATCH) break;
      next = this.#earlier[next] ?? 0;
    }
    return best;
  }

  /** Whether two tokens were followed, elsewhere in the text, by another one than `id`. */
  isContested(first: number, second: number, id: number): boolean {
    let next = this.#heads[this.#hash(first, second)] ?? 0;
    for (let places = 0; next > 0 && places < MOST_RIVALS; places += 1) {
      const isOfPair = this.#tokens[next - 1] === second && this.#tokens[next - 2] === first;
      if (isOfPair && this.#tokens[next] !== id) return true;
      next = this.#earlier[next] ?? 0;
    }
    return false;
  }

  #update(): void {
    const { length } = this.#tokens;
    if (length > this.#earlier.length) this.#grow(length);
    for (; this.#indexed < length; this.#indexed += 1) this.#add(this.#indexed);
  }

  #add(next: number): void {
    const [first, second, following] = [this.#tokens[next - 2], this.#tokens[next - 1], this.#tokens[next]];
    if (first === undefined || second === undefined || following === undefined || this.#isEnd(following)) return;
    const hash = this.#hash(first, second);
    this.#earlier[next] = this.#heads[hash] ?? 0;
    this.#heads[hash] = next;
  }

  #grow(length: number): void {
    let capacity = this.#earlier.length;
    while (capacity < length) capacity *= 2;
    this.#earlier = new Int32Array(capacity);
    this.#heads = new Int32Array(2 * capacity);
    this.#indexed = LEAST_MATCH;
  }

  #hash(first: number, second: number): number {
    const mixed = Math.imul(Math.imul(first, 0x9e3779b1) ^ second, 0x85ebca6b);
    return (mixed ^ (mixed >>> 15)) & (this.#heads.length - 1);
  }
}

/** How many tokens before `next` are those at the end of `recent`. */
export function agreement(tokens: readonly number[], next: number, recent: readonly number[]): number {
  const most = Math.min(MOST_MATCH, next, recent.length);
  let length = 0;
  while (length < most && tokens[next - 1 - length] === recent[recent.length - 1 - length]) length += 1;
  return length;
}
