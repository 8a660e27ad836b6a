/** Items at most that are worked on together: so many rows fit into a statement of any database. */
const MOST = 200;

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Works together on what is asked for within one turn of the event loop: a transaction for many takes little longer than one
 * for one. What fails together is tried one by one, so that nothing fails for the fault of another.
 */
export class Gathered<Item, Result> {
  readonly #work: (items: readonly Item[]) => Promise<Result>;
  #waiting: Waiting<Item, Result>[] = [];

  /** @param work does all or, when it fails, nothing. Its result is that of every item. */
  constructor(work: (items: readonly Item[]) => Promise<Result>) {
    this.#work = work;
  }

  run(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) setImmediate(() => this.#start());
      this.#waiting.push({ item, resolve, reject });
    });
  }

  #start(): void {
    const all = this.#waiting;
    this.#waiting = [];
    for (let first = 0; first < all.length; first += MOST) void this.#settle(all.slice(first, first + MOST));
  }

  async #settle(some: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const result = await this.#work(some.map(({ item }) => item));
      for (const { resolve } of some) resolve(result);
    } catch (error) {
      if (some.length > 1) for (const each of some) void this.#settle([each]);
      else for (const { reject } of some) reject(error);
    }
  }
}
