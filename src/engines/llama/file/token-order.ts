/** Tokens sorted by their bytes, so that a prefix that many of them share is read only once. */
export interface TokenOrder {
  readonly ids: Uint32Array;
  /** By position in `ids`: how many bytes it shares with the one before. */
  readonly shared: Uint16Array;
}

/**
 * @param bytes of all tokens, one after the other.
 * @param starts of each token in `bytes`; one more at the end. Tokens without bytes are left out.
 */
export function tokenOrder(bytes: Uint8Array, starts: Uint32Array): TokenOrder {
  const ids = new Uint32Array(starts.length - 1).map((_, id) => id).filter((id) => lengthOf(starts, id) > 0);
  new Sorter(bytes, starts, ids).sort(0, ids.length, 0);
  const shared = new Uint16Array(ids.length);
  for (let index = 1; index < ids.length; index += 1) {
    shared[index] = common(bytes, starts, ids[index - 1] as number, ids[index] as number); // within bounds
  }
  return { ids, shared };
}

/** Ranges up to this length are sorted by insertion. */
const FEW = 12;

class Sorter {
  readonly #bytes: Uint8Array;
  readonly #starts: Uint32Array;
  readonly #ids: Uint32Array;

  constructor(bytes: Uint8Array, starts: Uint32Array, ids: Uint32Array) {
    this.#bytes = bytes;
    this.#starts = starts;
    this.#ids = ids;
  }

  /**
   * Quicksort by one byte into less, equal and greater; the equal ones go on with the next byte.
   *
   * @param depth bytes that all tokens of the range share.
   */
  sort(from: number, to: number, depth: number): void {
    let [first, last, at] = [from, to, depth];
    while (last - first > FEW) {
      const pivot = this.#byte((first + last) >> 1, at);
      let [low, high] = [first, last];
      for (let index = first; index < high; ) {
        const byte = this.#byte(index, at);
        if (byte < pivot) swap(this.#ids, low++, index++);
        else if (byte > pivot) swap(this.#ids, --high, index);
        else index += 1;
      }
      this.sort(first, low, at);
      this.sort(high, last, at);
      if (pivot < 0) return;
      [first, last, at] = [low, high, at + 1];
    }
    this.#insert(first, last, at);
  }

  #insert(from: number, to: number, depth: number): void {
    for (let index = from + 1; index < to; index += 1) {
      for (let at = index; at > from && this.#isBefore(at, at - 1, depth); at -= 1) swap(this.#ids, at, at - 1);
    }
  }

  #isBefore(one: number, other: number, depth: number): boolean {
    for (let at = depth; ; at += 1) {
      const [a, b] = [this.#byte(one, at), this.#byte(other, at)];
      if (a !== b) return a < b;
      if (a < 0) return false;
    }
  }

  /** A byte of the token at a position; -1 behind its end. */
  #byte(position: number, at: number): number {
    const id = this.#ids[position] as number; // within bounds
    const start = (this.#starts[id] as number) + at; // a token
    return start < (this.#starts[id + 1] as number) ? (this.#bytes[start] as number) : -1; // within the token
  }
}

function swap(ids: Uint32Array, one: number, other: number): void {
  const id = ids[one] as number; // within bounds
  ids[one] = ids[other] as number; // within bounds
  ids[other] = id;
}

function common(bytes: Uint8Array, starts: Uint32Array, one: number, other: number): number {
  const [a, b] = [starts[one] as number, starts[other] as number]; // tokens
  const most = Math.min(lengthOf(starts, one), lengthOf(starts, other));
  let length = 0;
  while (length < most && bytes[a + length] === bytes[b + length]) length += 1;
  return length;
}

function lengthOf(starts: Uint32Array, id: number): number {
  return (starts[id + 1] as number) - (starts[id] as number); // a token
}
