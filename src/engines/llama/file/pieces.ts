import { type TokenOrder, tokenOrder } from "./token-order.ts";
import { afterBytes, CLOSED, continuations, INVALID } from "./utf8.ts";

/** Tokens read per turn of the event loop while the index is made in passing. */
const WARM_BATCH = 4_096;

/** Two bytes make a key; a text of one byte has 0 as its second. */
const KEYS = 1 << 16;

export interface SortedTexts extends TokenOrder {
  /** The texts of all ids, one after the other, and where each begins; one more at the end. */
  readonly bytes: Uint8Array;
  readonly starts: Uint32Array;
}

/**
 * The texts of a vocabulary by how they begin. All are in one buffer, for there are 150 000 of them. As strings, bytes are
 * UTF-16 units (`latin1`), which compare fast.
 */
export class Pieces {
  readonly #count: number;
  readonly #bytesOf: (id: number) => Uint8Array;
  #bytes: Buffer;
  /** Where the text of each id begins; one more at the end. */
  readonly #starts: Uint32Array;
  /** State of UTF-8 behind each text that begins between characters. */
  readonly #states: Uint8Array;
  /** By open state, the tokens that may come. */
  readonly #continuing = new Map<number, readonly number[]>();
  /** Ids by their key, and where each key's begin. */
  #index: { readonly ids: Uint32Array; readonly starts: Uint32Array } | undefined;
  #order: SortedTexts | undefined;
  #read = 0;
  #longest = 1;

  /** @param bytesOf text of a token; empty for control tokens, which are never found. */
  constructor(count: number, bytesOf: (id: number) => Uint8Array) {
    this.#count = count;
    this.#bytesOf = bytesOf;
    this.#bytes = Buffer.alloc(8 * count);
    this.#starts = new Uint32Array(count + 1);
    this.#states = new Uint8Array(count);
  }

  /** Reads the vocabulary in short turns; whoever asks before it is done reads the rest at once. */
  warm(): void {
    this.#readMore(WARM_BATCH);
    if (this.#read < this.#count) setImmediate(() => this.warm());
    else {
      this.#indexed();
      setImmediate(() => this.sorted());
    }
  }

  piece(id: number): string {
    this.#readMore(this.#count);
    return this.#bytes.toString("latin1", this.#starts[id] ?? 0, this.#starts[id + 1] ?? 0);
  }

  /** State of UTF-8 behind a token that comes in this state; without a text it continues no character. */
  stateAfter(id: number, state: number): number {
    this.#readMore(this.#count);
    if (state === CLOSED) return this.#states[id] ?? INVALID;
    const [from, to] = [this.#starts[id] ?? 0, this.#starts[id + 1] ?? 0];
    return from === to ? INVALID : afterBytes(state, this.#bytes.subarray(from, to));
  }

  /** Tokens that continue the character which this state leaves open. */
  continuing(state: number): readonly number[] {
    const known = this.#continuing.get(state);
    if (known !== undefined) return known;
    const { low, high } = continuations(state);
    const { ids, starts } = this.#indexed();
    const alike = low > high ? [] : ids.subarray(starts[low << 8], starts[(high + 1) << 8]);
    const found = Array.from(alike).filter((id) => this.stateAfter(id, state) !== INVALID);
    this.#continuing.set(state, found);
    return found;
  }

  /** Bytes of the longest. */
  get longest(): number {
    this.#readMore(this.#count);
    return this.#longest;
  }

  /** None for control tokens. Reads no more of the vocabulary than that. */
  bytes(id: number): Uint8Array {
    if (id >= this.#read) return this.#bytesOf(id);
    return this.#bytes.subarray(this.#starts[id] ?? 0, this.#starts[id + 1] ?? 0);
  }

  /** All texts, and the tokens that have one in the order of their bytes. */
  sorted(): SortedTexts {
    if (this.#order !== undefined) return this.#order;
    this.#readMore(this.#count);
    const order = tokenOrder(this.#bytes, this.#starts);
    this.#order = { ...order, bytes: this.#bytes, starts: this.#starts };
    return this.#order;
  }

  /** Some token's text begins with `start` and goes on. `start` is not empty. */
  hasLonger(start: string): boolean {
    return this.#startingLike(start).some((id) => this.piece(id).length > start.length && this.#begins(id, start));
  }

  /** Tokens that agree with a text that must come next: those that begin with all of it, and those it begins with. */
  agreeing(rest: string): number[] {
    if (rest.length === 1) return [...this.#startingLike(rest)];
    const candidates = new Set([...this.#startingLike(`${rest.slice(0, 1)}\0`), ...this.#startingLike(rest)]);
    return [...candidates].filter((id) => this.#begins(id, rest) || rest.startsWith(this.piece(id)));
  }

  #begins(id: number, start: string): boolean {
    return this.piece(id).startsWith(start);
  }

  /** Ids whose text has the same first byte, or the same first two. */
  #startingLike(start: string): Uint32Array {
    const { ids, starts } = this.#indexed();
    const high = start.charCodeAt(0) << 8;
    const [from, to] =
      start.length === 1 ? [high, high + 256] : [high + start.charCodeAt(1), high + start.charCodeAt(1) + 1];
    return ids.subarray(starts[from], starts[to]);
  }

  #readMore(most: number): void {
    const end = Math.min(this.#count, this.#read + most);
    for (; this.#read < end; this.#read += 1) {
      const bytes = this.#bytesOf(this.#read);
      const at = this.#starts[this.#read] ?? 0;
      this.#longest = Math.max(this.#longest, bytes.length);
      if (at + bytes.length > this.#bytes.length)
        this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(at + bytes.length)]);
      this.#bytes.set(bytes, at);
      this.#starts[this.#read + 1] = at + bytes.length;
      this.#states[this.#read] = afterBytes(CLOSED, bytes);
    }
  }

  /** A counting sort by key. */
  #indexed(): { readonly ids: Uint32Array; readonly starts: Uint32Array } {
    if (this.#index !== undefined) return this.#index;
    this.#readMore(this.#count);
    const starts = new Uint32Array(KEYS + 1);
    const each = (visit: (id: number, key: number) => void): void => {
      for (let id = 0; id < this.#count; id += 1) {
        const from = this.#starts[id] ?? 0;
        const length = (this.#starts[id + 1] ?? 0) - from;
        if (length > 0) visit(id, ((this.#bytes[from] ?? 0) << 8) | (length > 1 ? (this.#bytes[from + 1] ?? 0) : 0));
      }
    };
    each((_, key) => {
      starts[key + 1] = (starts[key + 1] ?? 0) + 1;
    });
    for (let key = 0; key < KEYS; key += 1) starts[key + 1] = (starts[key + 1] ?? 0) + (starts[key] ?? 0);
    const next = starts.slice();
    const ids = new Uint32Array(starts[KEYS] ?? 0);
    each((id, key) => {
      ids[next[key] ?? 0] = id;
      next[key] = (next[key] ?? 0) + 1;
    });
    this.#index = { ids, starts };
    return this.#index;
  }
}
