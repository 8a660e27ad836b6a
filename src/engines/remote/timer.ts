/** A signal that aborts with another one, or with an error when time is up. */
export class Timer {
  readonly #over = new AbortController();
  readonly #parent: AbortSignal;
  readonly #follow = (): void => this.#over.abort(this.#parent.reason);
  /** Goes on when nothing is waited for: to start it again costs less than to make another one for every piece. */
  #waiting: NodeJS.Timeout | undefined;
  #waitingMs = 0;
  /** Absent: nothing is waited for. */
  #late: (() => Error) | undefined;
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
    this.#late = ms > 0 ? error : undefined;
    if (ms > 0 && ms === this.#waitingMs && this.#waiting !== undefined) {
      this.#waiting.refresh();
      return;
    }
    clearTimeout(this.#waiting);
    this.#waiting = ms > 0 ? setTimeout(() => this.#waitedTooLong(), ms) : undefined;
    this.#waitingMs = ms;
  }

  stopWaiting(): void {
    this.#late = undefined;
  }

  /** For all of it. */
  limit(ms: number, error: () => Error): void {
    if (ms > 0) this.#whole = setTimeout(() => this.#over.abort(error()), ms);
  }

  stop(): void {
    this.stopWaiting();
    clearTimeout(this.#waiting);
    clearTimeout(this.#whole);
    this.#parent.removeEventListener("abort", this.#follow);
  }

  #waitedTooLong(): void {
    if (this.#late !== undefined) this.#over.abort(this.#late());
  }
}
