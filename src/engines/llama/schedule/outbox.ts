import type { FromEngine, StepOutput } from "../wire/messages.ts";
import type { Counters } from "./counters.ts";
import { refusalOf } from "./intake.ts";
import type { Seats } from "./seats.ts";

export interface OutboxOptions {
  readonly send: (message: FromEngine) => void;
  /** A fault of ours that cost one request; for logs. */
  readonly report: (error: unknown) => void;
}

/** What the server is told: the outputs of a step together with the figures, everything else at once. */
export class Outbox {
  readonly #seats: Seats;
  readonly #counters: Counters;
  readonly #options: OutboxOptions;
  #outputs: StepOutput[] = [];

  constructor(seats: Seats, counters: Counters, options: OutboxOptions) {
    this.#seats = seats;
    this.#counters = counters;
    this.#options = options;
  }

  send(message: FromEngine): void {
    this.#options.send(message);
  }

  refuse(id: number, error: unknown): void {
    const refusal = refusalOf(error);
    if (refusal !== error) this.#options.report(error);
    const { code, message, detail } = refusal;
    this.send({
      type: "refused",
      id,
      code,
      message,
      ...(detail.param !== undefined && { param: detail.param }),
      ...(detail.retryAfterMs !== undefined && { retryAfterMs: detail.retryAfterMs }),
    });
  }

  /** Keeps an output until the next flush. */
  add(output: StepOutput): void {
    this.#outputs.push(output);
  }

  /** Forgets the outputs of a request that were not sent. */
  discard(id: number): void {
    this.#outputs = this.#outputs.filter((output) => output.id !== id);
  }

  /**
   * The figures go out without outputs too: while a prompt is evaluated, and after an abort freed a slot.
   *
   * @param running requests in the step that is running now.
   * @param queued requests without a slot.
   */
  flush(running: readonly number[], queued: number): void {
    const gauges = { queued, running: this.#seats.taken, slots: this.#seats.slots.length };
    this.send({ type: "step", running, outputs: this.#outputs, stats: this.#counters.snapshot(gauges) });
    this.#outputs = [];
  }
}
