import { HIGHEST } from "../code-points.ts";

/**
 * Characters by what a grammar tells apart: all characters of one class are in the same sets.
 * Code points are numbers from 0 to 0x10ffff.
 */
export class Alphabet {
  /** The first character of each class, in order; a class ends where the next one begins. */
  readonly #starts: Int32Array;
  readonly #ascii: Int32Array;

  /** @param sets both ends of each range. */
  constructor(sets: readonly Int32Array[]) {
    const starts = new Set([0]);
    for (const set of sets) {
      for (let index = 0; index < set.length; index += 2) {
        starts.add(set[index] as number); // within bounds
        const end = set[index + 1] as number; // ranges have two ends
        if (end < HIGHEST) starts.add(end + 1);
      }
    }
    this.#starts = Int32Array.from(starts).sort();
    this.#ascii = Int32Array.from({ length: 0x80 }, (_, codePoint) => this.#find(codePoint));
  }

  classOf(codePoint: number): number {
    return codePoint < 0x80 ? (this.#ascii[codePoint] as number) : this.#find(codePoint); // within bounds
  }

  /** One of its characters. */
  exampleOf(kind: number): number {
    return this.#starts[kind] as number; // a class
  }

  #find(codePoint: number): number {
    let low = 0;
    let high = this.#starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#starts[middle] as number) <= codePoint) low = middle;
      else high = middle;
    }
    return low;
  }
}

/** One of the characters from `low` to `high` is in the set. @param set both ends of each range, in order. */
export function meets(set: Int32Array, low: number, high: number): boolean {
  // Ends of ranges have odd indices: the first number from `low` on is the end of the range to look at, or its beginning.
  const index = firstFrom(set, low);
  return index < set.length && (index % 2 === 1 || (set[index] as number) <= high); // within bounds
}

/** Where the first number of `low` or more stands among numbers in order. */
export function firstFrom(numbers: Int32Array, low: number): number {
  let [from, to] = [0, numbers.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((numbers[middle] as number) < low) from = middle + 1;
    else to = middle;
  }
  return from;
}
