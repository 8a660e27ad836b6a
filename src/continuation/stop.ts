/**
 * Finds stop strings in text that arrives in pieces.
 *
 * The end of a piece may be the start of a stop string, so at most `longest - 1` UTF-16 units are held back until the next
 * piece decides. What is emitted, joined, never depends on where the pieces were cut. The string completed first wins, on a
 * tie the longest (docs/wire.md 3.4): ranking by start would depend on the cuts.
 */
export class StopMatcher {
  readonly #stops: readonly string[];
  #held = "";

  /** @param stops non-empty strings. */
  constructor(stops: readonly string[]) {
    if (stops.some((stop) => stop === "")) throw new RangeError("a stop string must not be empty");
    this.#stops = stops;
  }

  /** Text now safe to emit, and whether a stop ended it. After `stopped`, do not push again. */
  push(piece: string): { readonly text: string; readonly stopped: boolean } {
    const text = this.#held + piece;
    const cut = startOfFirstCompleted(text, this.#stops);
    if (cut >= 0) {
      this.#held = "";
      return { text: text.slice(0, cut), stopped: true };
    }
    const keep = longestTailThatStarts(text, this.#stops);
    this.#held = text.slice(text.length - keep);
    return { text: text.slice(0, text.length - keep), stopped: false };
  }

  /** The held-back rest; call once when nothing more will come. */
  flush(): string {
    const rest = this.#held;
    this.#held = "";
    return rest;
  }
}

/**
 * The same for sequences of token ids, one token at a time. A single id is a sequence of one.
 * `T` is whatever belongs to a token; it is held back and released with it.
 */
export class TokenStopMatcher<T extends { readonly id: number }> {
  readonly #sequences: readonly (readonly number[])[];
  #held: T[] = [];

  constructor(sequences: readonly (readonly number[])[]) {
    if (sequences.some((sequence) => sequence.length === 0)) throw new RangeError("a stop sequence must not be empty");
    this.#sequences = sequences;
  }

  /** Tokens now safe to use, in order, and whether a sequence ended them; the matched tokens are left out. */
  push(token: T): { readonly tokens: readonly T[]; readonly stopped: boolean } {
    this.#held.push(token);
    const matched = Math.max(
      0,
      ...this.#sequences.filter((each) => endsWith(this.#held, each)).map((each) => each.length),
    );
    if (matched > 0) return { tokens: this.#held.splice(0, this.#held.length - matched), stopped: true };
    const keep = Math.max(0, ...this.#sequences.map((each) => longestOverlap(this.#held, each)));
    return { tokens: this.#held.splice(0, this.#held.length - keep), stopped: false };
  }

  flush(): readonly T[] {
    return this.#held.splice(0);
  }
}

function startOfFirstCompleted(text: string, stops: readonly string[]): number {
  let start = -1;
  let end = Number.POSITIVE_INFINITY;
  for (const stop of stops) {
    const at = text.indexOf(stop);
    if (at < 0) continue;
    const completed = at + stop.length;
    if (completed < end || (completed === end && at < start)) {
      start = at;
      end = completed;
    }
  }
  return start;
}

function longestTailThatStarts(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length -= 1) {
      if (text.endsWith(stop.slice(0, length))) longest = length;
    }
  }
  return longest;
}

function endsWith(held: readonly { readonly id: number }[], sequence: readonly number[]): boolean {
  const offset = held.length - sequence.length;
  return offset >= 0 && sequence.every((id, index) => held[offset + index]?.id === id);
}

function longestOverlap(held: readonly { readonly id: number }[], sequence: readonly number[]): number {
  for (let length = Math.min(sequence.length - 1, held.length); length > 0; length -= 1) {
    if (endsWith(held, sequence.slice(0, length))) return length;
  }
  return 0;
}
