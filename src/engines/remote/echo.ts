/**
 * Takes the beginning of an answer off again where a service repeats it. Only all of it, byte for byte, is an echo; anything
 * else comes out as it came, at the latest with `end`.
 */
export class Echo {
  readonly #prefix: string;
  #held = "";
  #isOver = false;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** What of it is known to be no echo. */
  push(text: string): string {
    if (this.#isOver) return text;
    this.#held += text;
    if (this.#held.startsWith(this.#prefix)) return this.#release(this.#prefix.length);
    return this.#prefix.startsWith(this.#held) ? "" : this.#release(0);
  }

  /** What was held back. */
  end(): string {
    return this.#isOver ? "" : this.#release(0);
  }

  #release(from: number): string {
    this.#isOver = true;
    const text = this.#held.slice(from);
    this.#held = "";
    return text;
  }
}
