/** Items between a producer that cannot wait and a consumer that takes its time; says when to slow down. */
export class PartQueue<T> {
  readonly #items: T[] = [];
  readonly #flow: (paused: boolean) => void;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  #paused = false;
  #wake: () => void = () => {};

  /** @param flow called with true when the consumer falls behind, with false when it has caught up. */
  constructor(flow: (paused: boolean) => void) {
    this.#flow = flow;
  }

  get paused(): boolean {
    return this.#paused;
  }

  push(item: T): void {
    this.#items.push(item);
    if (!this.#paused && this.#items.length >= HIGH_ITEMS) this.#setPaused(true);
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** What is queued is dropped: whoever waits learns of the failure at once. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }

  async *drain(): AsyncGenerator<T> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.error;
      const item = this.#items.shift();
      if (item !== undefined) {
        if (this.#paused && this.#items.length <= LOW_ITEMS) this.#setPaused(false);
        yield item;
      } else if (this.#ended) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  #setPaused(paused: boolean): void {
    this.#paused = paused;
    this.#flow(paused);
  }
}

/** A reader this many parts behind does not keep up with one token at a time. */
const HIGH_ITEMS = 64;
const LOW_ITEMS = 16;
