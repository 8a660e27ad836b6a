import type { ServiceError } from "../../../errors.ts";
import type { FromEngine, PongMessage, StepMessage, ToEngine } from "../wire/messages.ts";
import { Blame, type Death } from "./blame.ts";
import type { Job } from "./job.ts";

/**
 * The requests of one engine, and which of them its present process knows. When a process dies, those that are not over go
 * on in the next one; who may run in it, `Blame` decides.
 */
export class Jobs {
  readonly #send: (...messages: readonly ToEngine[]) => boolean;
  readonly #blame: Blame;
  readonly #jobs = new Map<number, Job>();
  /** Sent to the present process. */
  readonly #sent = new Set<number>();
  /** Sent, and neither accepted nor refused yet. */
  readonly #unanswered = new Set<number>();
  /** Whose readers have left while the process may have been at work for them. */
  readonly #departed = new Map<number, Job>();
  #running: readonly number[] = [];

  /** @param send false: there is no process to take them. @param now milliseconds, never going back. */
  constructor(send: (...messages: readonly ToEngine[]) => boolean, now: () => number) {
    this.#send = send;
    this.#blame = new Blame(now);
  }

  /** Throws for a request that ends engine processes. */
  add(job: Job): void {
    this.#blame.assertInnocent(job);
    this.#jobs.set(job.id, job);
    this.#sendAdmitted();
  }

  /** Its reader has left, or has all of it. */
  remove(job: Job): void {
    this.#blame.ended(job);
    this.#jobs.delete(job.id);
    this.#sent.delete(job.id);
    this.#unanswered.delete(job.id);
    this.#sendAdmitted();
  }

  /** Nothing more is to be done for it. False: the process knows nothing of it, and will not answer. */
  stop(id: number): boolean {
    const job = this.#jobs.get(id);
    if (job === undefined) return false;
    this.#blame.ended(job);
    if (!this.#sent.delete(id)) return false;
    if (this.#isAtWork(id)) this.#departed.set(id, job);
    this.#unanswered.delete(id);
    return this.#send({ type: "abort", id });
  }

  receive(message: FromEngine | PongMessage): void {
    switch (message.type) {
      case "accepted":
        this.#unanswered.delete(message.id);
        this.#jobs.get(message.id)?.accept(message);
        return;
      case "refused":
        this.#unanswered.delete(message.id);
        this.#jobs.get(message.id)?.refuse(message);
        return;
      case "aborted":
        this.#jobs.get(message.id)?.aborted(message);
        return;
      case "echo":
        this.#jobs.get(message.id)?.echo(message);
        return;
      case "step":
        this.#take(message);
        return;
      case "pong":
        this.#sendAdmitted(); // a trial may have lasted long enough although no step ends
    }
  }

  /** A process serves, and knows of no request yet. */
  processStarted(): void {
    this.#forgetProcess();
    this.#blame.processStarted();
    this.#sendAdmitted();
  }

  /** Tells those that the process died of. Returns how many were told and how many go on. */
  processDied(death: Death): { readonly blamed: number; readonly resumed: number } {
    const known = [...this.#sent].flatMap((id) => this.#jobs.get(id) ?? []).filter((job) => job.isOpen);
    const seen = [...this.#departed.values(), ...known.filter(({ id }) => this.#isAtWork(id))];
    const present = new Set([...this.#departed.keys(), ...known.map(({ id }) => id)]);
    // When nobody was seen at work, it was between two steps: anybody's turn may have come.
    const convicted = this.#blame.died(death, seen.length > 0 ? seen : known, present.size === 1);
    for (const { guilty, error } of convicted) this.#jobs.get(guilty.id)?.lose(error);
    for (const job of this.#departed.values()) this.#blame.ended(job); // nobody tries it again
    for (const job of this.#jobs.values()) job.processDied();
    this.#forgetProcess();
    return { blamed: convicted.length, resumed: this.#open().length };
  }

  /** What the process is doing, for people: request ids and sizes, never text. */
  get atWork(): string {
    const jobs = this.#open().filter(({ id }) => this.#isAtWork(id));
    return jobs.length === 0 ? "nobody" : jobs.map(String).join(", ");
  }

  failAll(error: ServiceError): void {
    for (const job of this.#jobs.values()) job.lose(error);
  }

  #open(): readonly Job[] {
    return [...this.#jobs.values()].filter((job) => job.isOpen);
  }

  #isAtWork(id: number): boolean {
    return this.#running.includes(id) || this.#unanswered.has(id);
  }

  #take({ running, outputs }: StepMessage): void {
    this.#running = running;
    for (const id of this.#departed.keys()) if (!running.includes(id)) this.#departed.delete(id);
    for (const output of outputs) {
      const job = this.#jobs.get(output.id);
      if (job === undefined) continue;
      job.take(output);
      this.#blame.progressed(job, output.generated.length);
      if (job.isDone) this.#blame.ended(job);
    }
    this.#sendAdmitted();
  }

  #sendAdmitted(): void {
    this.#blame.stepped();
    for (const job of this.#open()) {
      if (this.#sent.has(job.id) || !this.#blame.admits(job)) continue;
      if (!this.#send(...job.messages())) return; // `processStarted` sends them
      this.#sent.add(job.id);
      this.#unanswered.add(job.id);
    }
  }

  #forgetProcess(): void {
    this.#sent.clear();
    this.#unanswered.clear();
    this.#departed.clear();
    this.#running = [];
  }
}
