import type { EncodedPrompt } from "../../../continuation/encode-prompt.ts";
import { ServiceError } from "../../../errors.ts";
import type { NativeModel } from "../native/model.ts";
import type { GenerateMessage } from "../wire/messages.ts";
import type { Counters } from "./counters.ts";
import { Intake } from "./intake.ts";
import type { Outbox } from "./outbox.ts";
import type { Seats } from "./seats.ts";
import type { Task } from "./task.ts";
import { Waiting } from "./waiting.ts";

export interface AdmissionOptions {
  /** Most tokens of a slot. */
  readonly slotTokens: number;
  /** Requests waiting for a slot; one more is refused. */
  readonly queueLimit: number;
  readonly now: () => number;
  /** The tasks of a request were queued, before they get a slot. */
  readonly queued: (message: GenerateMessage, prompt: EncodedPrompt, tasks: readonly Task[]) => void;
}

/** The way of a request to its slots: accepted or refused, tokenized, queued, seated. */
export class Admission {
  readonly #seats: Seats;
  readonly #counters: Counters;
  readonly #outbox: Outbox;
  readonly #options: AdmissionOptions;
  readonly #intake: Intake;
  readonly #waiting = new Waiting();

  constructor(model: NativeModel, seats: Seats, counters: Counters, outbox: Outbox, options: AdmissionOptions) {
    this.#seats = seats;
    this.#counters = counters;
    this.#outbox = outbox;
    this.#options = options;
    this.#intake = new Intake(model, {
      slotTokens: options.slotTokens,
      now: options.now,
      admit: (message, prompt, tasks) => this.#enqueue(message, prompt, tasks),
      refuse: (id, error) => outbox.refuse(id, error),
    });
  }

  /** Requests without a slot. */
  get waiting(): number {
    return this.#waiting.requests + this.#intake.pending;
  }

  submit(message: GenerateMessage): void {
    const { waiting } = this;
    if (!message.resumed && message.admitted !== true && waiting >= this.#options.queueLimit) {
      const text = `${waiting} requests are waiting for the model already; try again shortly`;
      this.#outbox.refuse(message.id, new ServiceError("queue_full", text, { retryAfterMs: 1_000 }));
    } else this.#intake.take(message);
  }

  /** Takes a request out of the queue. Returns its tasks that had no slot. */
  remove(id: number): readonly Task[] {
    this.#intake.abort(id);
    return this.#waiting.take(id);
  }

  pause(id: number, paused: boolean): void {
    this.#intake.pause(id, paused);
    for (const task of this.#waiting.of(id)) task.paused = paused;
  }

  /** Those that wait get the free slots, then those of answers that nobody reads at the moment. */
  seatWaiting(): void {
    for (;;) {
      const task = this.#waiting.next(this.#options.now(), (leader) => this.#seats.holdsPrompt(leader));
      if (task === undefined) return;
      const isNew = task.cachedTokens === undefined;
      while (!this.#seats.seat(task)) {
        const unseated = this.#seats.unseatPaused();
        if (unseated === undefined) return;
        this.#waiting.add(unseated);
      }
      if (isNew) this.#counters.seated(task);
      this.#waiting.remove(task);
    }
  }

  #enqueue(message: GenerateMessage, prompt: EncodedPrompt, tasks: readonly Task[]): void {
    const { promptTokens, truncatedTokens } = prompt;
    this.#outbox.send({ type: "accepted", id: message.id, promptTokens, truncatedTokens });
    if (tasks.length === 0) return; // asked for to know whether it would be accepted
    this.#waiting.add(...tasks);
    this.#options.queued(message, prompt, tasks);
  }
}
