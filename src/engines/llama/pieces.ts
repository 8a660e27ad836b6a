/** Tokens read per turn of the event loop while the index is made in passing. */
const WARM_BATCH = 4_096;

/**
 * The texts of a vocabulary by how they begin. Bytes are held as strings of one UTF-16 unit per byte (`latin1`), which are
 * small and compare fast.
 */
export class Pieces {
  readonly #count: number;
  readonly #bytesOf: (id: number) => Uint8Array;
  readonly #pieces: string[] = [];
  /** Ids by the first byte of their text, and by the first two. */
  readonly #buckets = new Map<string, number[]>();

  /** @param bytesOf text of a token; empty for control tokens, which are never found. */
  constructor(count: number, bytesOf: (id: number) => Uint8Array) {
    this.#count = count;
    this.#bytesOf = bytesOf;
  }

  /** Reads the vocabulary in short turns; whoever asks before it is done reads the rest at once. */
  warm(): void {
    this.#read(WARM_BATCH);
    if (this.#pieces.length < this.#count) setImmediate(() => this.warm());
  }

  piece(id: number): string {
    this.#read(this.#count);
    return this.#pieces[id] ?? "";
  }

  /** Some token's text begins with `start` and goes on. `start` is not empty. */
  hasLonger(start: string): boolean {
    return this.#bucket(start).some((id) => this.piece(id).length > start.length && this.piece(id).startsWith(start));
  }

  /** Tokens that agree with a text that must come next: those that begin with all of it, and those it begins with. */
  agreeing(rest: string): number[] {
    const longer = this.#bucket(rest).filter((id) => this.piece(id).startsWith(rest));
    const starts = new Set(Array.from({ length: rest.length - 1 }, (_, index) => rest.slice(0, index + 1)));
    const single = (this.#buckets.get(rest.slice(0, 1)) ?? []).filter((id) => this.piece(id).length === 1);
    const shorter = rest.length === 1 ? [] : this.#bucket(rest).filter((id) => starts.has(this.piece(id)));
    return [...new Set([...single, ...shorter, ...longer])];
  }

  #bucket(start: string): readonly number[] {
    this.#read(this.#count);
    return this.#buckets.get(start.slice(0, 2)) ?? [];
  }

  #read(most: number): void {
    const end = Math.min(this.#count, this.#pieces.length + most);
    for (let id = this.#pieces.length; id < end; id += 1) {
      const piece = Buffer.from(this.#bytesOf(id)).toString("latin1");
      this.#pieces.push(piece);
      for (const key of new Set([piece.slice(0, 1), piece.slice(0, 2)])) this.#put(key, id);
    }
  }

  #put(key: string, id: number): void {
    if (key === "") return;
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) this.#buckets.set(key, [id]);
    else bucket.push(id);
  }
}
