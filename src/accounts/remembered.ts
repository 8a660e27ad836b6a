import { LRUCache } from "lru-cache";

/** Milliseconds for which an answer of the store is believed; a change takes effect everywhere within this time. */
const BELIEVED_MS = 2_000;

interface Answer<T> {
  readonly sinceMs: number;
  readonly value: Promise<T>;
}

/** Answers of a store by name, each believed for moments, so that not every call is a query. Failures are not kept. */
export class Remembered<T> {
  readonly #now: () => number;
  readonly #answers: LRUCache<string, Answer<T>>;

  /** @param now epoch milliseconds. @param most answers that are remembered at the same time. */
  constructor(now: () => number, most: number) {
    this.#now = now;
    this.#answers = new LRUCache({ max: most });
  }

  /** @param ask the store, when the name is not remembered. Callers at the same time share its answer. */
  get(name: string, ask: () => Promise<T>): Promise<T> {
    const known = this.#answers.get(name);
    // Not the cache's own limit of age: a clock that was set back must not make an answer last.
    if (known !== undefined && Math.abs(this.#now() - known.sinceMs) < BELIEVED_MS) return known.value;
    const answer = { sinceMs: this.#now(), value: ask() };
    answer.value.catch(() => {
      if (this.#answers.peek(name) === answer) this.#answers.delete(name);
    });
    this.#answers.set(name, answer);
    return answer.value;
  }

  /** Asks again next time. */
  forget(name: string): void {
    this.#answers.delete(name);
  }
}
