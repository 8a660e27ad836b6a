/** A signal that aborts with another one, or with an error when time is up. */
export class Timer {
  readonly #over = new AbortController();
  readonly #parent: AbortSignal;
  readonly #follow = (): void => this.#over.abort(this.#parent.reason);
  #waiting: NodeJS.Timeout | undefined;
  #whole: NodeJS.Timeout | undefined;

  constructor(parent: AbortSignal) {
    this.#parent = parent;
    parent.addEventListener("abort", this.#follow, { once: true });
    if (parent.aborted) this.#follow();
  }

  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** For what is waited for now. */
  start(ms: number, error: () => Error): void {
    this.stopWaiting();
    if (ms > 0) this.#waiting = setTimeout(() => this.#over.abort(error()), ms);
  }

  stopWaiting(): void {
    clearTimeout(this.#waiting);
  }

  /** For all of it. */
  limit(ms: number, error: () => Error): void {
    if (ms > 0) this.#whole = setTimeout(() => this.#over.abort(error()), ms);
  }

  stop(): void {
    this.stopWaiting();
    clearTimeout(this.#whole);
    this.#parent.removeEventListener("abort", this.#follow);
  }
}
