import type { Call } from "./call.ts";

/** How long calls may take to unwind after they have been cut. */
const UNWIND_MS = 2_000;

/** The calls under way, and whether new ones are still welcome. */
export class OpenCalls {
  readonly #calls = new Set<Call>();
  #isDraining = false;
  #onEmpty: (() => void)[] = [];

  get isDraining(): boolean {
    return this.#isDraining;
  }

  get size(): number {
    return this.#calls.size;
  }

  /** The returned function ends the call; calling it again does nothing. */
  open(call: Call): () => void {
    this.#calls.add(call);
    return () => {
      this.#calls.delete(call);
      if (this.#calls.size > 0) return;
      for (const wake of this.#onEmpty.splice(0)) wake();
    };
  }

  /**
   * Refuses new calls, waits for the running ones, and cuts those that are left after `graceMs`. Calling it again with
   * a shorter time shortens the wait.
   */
  async drain(graceMs: number): Promise<void> {
    this.#isDraining = true;
    await this.#emptyWithin(graceMs);
    for (const call of this.#calls) call.cut("shutdown");
    await this.#emptyWithin(UNWIND_MS);
  }

  #emptyWithin(limitMs: number): Promise<void> {
    if (this.#calls.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limitMs);
      this.#onEmpty.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
