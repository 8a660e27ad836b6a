export interface Arrival<T> {
  /** Index of the source. */
  readonly source: number;
  readonly part: T;
}

/** Runs sources side by side and hands out their parts as they come, one awaited part per running source. */
export class Arrivals<T> {
  readonly #waiting: (() => AsyncIterable<T>)[];
  readonly #running = new Map<number, AsyncIterator<T>>();
  readonly #ready: (Arrival<T> | { readonly failure: unknown })[] = [];
  #wake: () => void = () => undefined;
  #opened = 0;

  /** @param concurrency sources running at the same time, at least 1. */
  constructor(sources: readonly (() => AsyncIterable<T>)[], concurrency: number) {
    this.#waiting = [...sources];
    while (this.#running.size < concurrency && this.#waiting.length > 0) this.#open();
  }

  /** Undefined once every source has ended. Throws what a source throws; the others go on. */
  async next(): Promise<Arrival<T> | undefined> {
    for (;;) {
      const arrival = this.#ready.shift();
      if (arrival === undefined) {
        if (this.#running.size === 0) return undefined;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      if ("failure" in arrival) throw arrival.failure;
      this.#pull(arrival.source);
      return arrival;
    }
  }

  /** Sources that have not begun never will. */
  openNoMore(): void {
    this.#waiting.length = 0;
  }

  /** Ends the sources that are still running. Their signal has been aborted, so nobody waits for them here. */
  abandon(): void {
    this.openNoMore();
    for (const iterator of this.#running.values()) {
      // What fails while an abandoned source unwinds was never part of the answer.
      Promise.resolve(iterator.return?.()).catch(() => undefined);
    }
    this.#running.clear();
  }

  #open(): void {
    const source = this.#waiting.shift();
    if (source === undefined) return;
    const index = this.#opened++;
    this.#running.set(index, source()[Symbol.asyncIterator]());
    this.#pull(index);
  }

  #pull(index: number): void {
    this.#running
      .get(index)
      ?.next()
      .then(
        (result) => this.#arrive(index, result),
        (failure: unknown) => {
          this.#running.delete(index);
          this.#report({ failure });
        },
      );
  }

  #arrive(index: number, result: IteratorResult<T>): void {
    if (result.done !== true) {
      this.#report({ source: index, part: result.value });
      return;
    }
    this.#running.delete(index);
    this.#open();
    this.#wake();
  }

  #report(arrival: Arrival<T> | { readonly failure: unknown }): void {
    this.#ready.push(arrival);
    this.#wake();
  }
}
