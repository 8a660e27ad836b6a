import type { StreamPart } from "../continuation/output.ts";
import type { ContinuationRequest } from "../continuation/request.ts";
import { isAgainstReplica } from "./elsewhere.ts";
import type { Replica } from "./replica.ts";

/** What an attempt says next: a part, its end, or why it failed. */
export type Arrival = { readonly attempt: Attempt } & (
  | { readonly part: StreamPart }
  | { readonly end: true }
  | { readonly error: unknown }
);

const OUTRUN = new Error("another replica was first");

/** One replica at work on one request, beside others. */
export class Attempt {
  readonly replica: Replica;
  readonly #signal: AbortSignal;
  readonly #stop = new AbortController();
  readonly #parts: AsyncIterator<StreamPart>;
  #arrival: Promise<Arrival> | undefined;
  #isOver = false;

  constructor(replica: Replica, request: ContinuationRequest, signal: AbortSignal) {
    this.replica = replica;
    this.#signal = signal;
    replica.begin();
    const stop = AbortSignal.any([signal, this.#stop.signal]);
    this.#parts = replica.engine.generate(request, stop)[Symbol.asyncIterator]();
  }

  /** What it says next; the same until it is taken. Never rejects. */
  arrival(): Promise<Arrival> {
    this.#arrival ??= this.#read();
    return this.#arrival;
  }

  take(): void {
    this.#arrival = undefined;
  }

  /** Stops it at once. That it was stopped says nothing of the replica. */
  abandon(): void {
    if (this.#isOver) return;
    this.#stop.abort(OUTRUN);
    void this.#unwind();
  }

  async #read(): Promise<Arrival> {
    try {
      const next = await this.#parts.next();
      if (next.done !== true) return { attempt: this, part: next.value };
      if (!this.#stop.signal.aborted) this.replica.succeeded();
      this.#end();
      return { attempt: this, end: true };
    } catch (error) {
      const isStopped = this.#signal.aborted || this.#stop.signal.aborted;
      if (!isStopped && isAgainstReplica(error)) this.replica.failed();
      this.#end();
      return { attempt: this, error };
    }
  }

  /** What it still says, its usage and the abort, is for nobody. */
  async #unwind(): Promise<void> {
    while (!this.#isOver) {
      await this.arrival();
      this.take();
    }
  }

  #end(): void {
    if (!this.#isOver) this.replica.end();
    this.#isOver = true;
  }
}
