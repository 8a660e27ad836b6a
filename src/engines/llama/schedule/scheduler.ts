import type { EncodedPrompt } from "../../../continuation/encode-prompt.ts";
import type { NativeContext } from "../native/context.ts";
import type { NativeModel } from "../native/model.ts";
import { PromptScorer } from "../pick/prompt-scorer.ts";
import type { FromEngine, GenerateMessage } from "../wire/messages.ts";
import { Admission } from "./admission.ts";
import { Counters } from "./counters.ts";
import { Outbox } from "./outbox.ts";
import { type Plan, Planner, type PlannerOptions, planAlone } from "./plan.ts";
import { RunningStep } from "./running-step.ts";
import { Seats } from "./seats.ts";
import { Settlement } from "./settlement.ts";
import { SliceSizer } from "./slice.ts";
import type { Seated, Slot } from "./slot.ts";
import { MeasuredCost } from "./step-cost.ts";
import type { Task } from "./task.ts";
import { usedUntilAbort } from "./used-until-abort.ts";

export interface SchedulerOptions {
  readonly slots: number;
  /** Tokens of a block (`blocks.ts`); the context computes one block at a time. */
  readonly blockTokens: number;
  readonly deterministic: boolean;
  readonly queueLimit: number;
  readonly now: () => number;
  readonly send: (message: FromEngine) => void;
  /** A fault of ours that cost one request; for logs. */
  readonly report: (error: unknown) => void;
}

/**
 * Continuous batching: admits waiting requests to slots, and step by step evaluates a row of every running answer or some
 * blocks of a prompt. All rows of a step are sampled before the next one is made.
 */
export class Scheduler {
  readonly #context: NativeContext;
  readonly #model: NativeModel;
  readonly #options: SchedulerOptions;
  readonly #seats: Seats;
  readonly #counters = new Counters();
  readonly #outbox: Outbox;
  readonly #admission: Admission;
  readonly #settlement: Settlement;
  readonly #running: RunningStep;
  readonly #sizer = new SliceSizer();
  readonly #cost = new MeasuredCost();
  readonly #planning: PlannerOptions;
  readonly #planner: Planner;
  readonly #turns = new Map<Slot, number>();
  #wake: () => void = () => {};

  constructor(context: NativeContext, model: NativeModel, options: SchedulerOptions) {
    this.#context = context;
    this.#model = model;
    this.#options = options;
    const { batchTokens, slotTokens } = context;
    const { queueLimit, blockTokens, now } = options;
    this.#seats = new Seats(context, options);
    this.#outbox = new Outbox(this.#seats, this.#counters, options);
    this.#planning = { capacity: batchTokens, slotTokens, blockTokens, sizer: this.#sizer, cost: this.#cost };
    this.#planner = new Planner(this.#planning);
    this.#running = new RunningStep(context);
    this.#settlement = new Settlement(context, this.#seats, this.#counters, this.#outbox, {
      now,
      fail: (id, error) => this.#fail(id, error),
    });
    this.#admission = new Admission(model, this.#seats, this.#counters, this.#outbox, {
      slotTokens,
      queueLimit,
      now,
      queued: (message, prompt, tasks) => this.#queued(message, prompt, tasks),
    });
  }

  /** Runs for as long as the process lives; rejects when the native library fails. */
  async run(): Promise<never> {
    for (;;) {
      this.#admission.seatWaiting();
      const plan = this.#plan();
      if (plan.rows.length === 0) {
        this.#flush();
        this.#context.pause();
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      const startedMs = this.#options.now();
      const decoding = this.#running.decode(plan);
      this.#flush(); // the last step's news goes out while this one computes
      const outcome = await decoding;
      if (outcome === "done") {
        this.#settlement.settle(plan);
        this.#observe(plan, this.#options.now() - startedMs); // scoring a prompt takes its time, too
      } else if (outcome === "aborted") this.#settlement.rollBack(plan);
      else throw new Error("the context has no free cells although every slot is within its bounds");
    }
  }

  submit(message: GenerateMessage): void {
    this.#admission.submit(message);
  }

  /** Drops a request wherever it is; a step that works mostly for it is stopped on the way. */
  abort(id: number): void {
    const queued = this.#admission.remove(id);
    const seated = this.#seats.of(id);
    this.#counters.aborted(
      queued,
      seated.map(({ slot, task }) => ({ task, evaluated: slot.tokens.length })),
    );
    this.#drop(queued, seated);
    this.#running.abortIfCancelled();
    this.#flush(); // what it has said before belongs to what it used
    this.#outbox.send(usedUntilAbort(id, seated, queued));
    this.#wake();
  }

  pause(id: number, paused: boolean): void {
    this.#admission.pause(id, paused);
    for (const { task } of this.#seats.of(id)) task.paused = paused;
    this.#wake();
  }

  #plan(): Plan {
    const now = this.#options.now();
    if (!this.#options.deterministic) return this.#planner.step(this.#seats.slots, now);
    const plan = planAlone(this.#seats.slots, this.#turns, this.#planning);
    for (const { slot } of plan.spans) this.#turns.set(slot, now);
    return plan;
  }

  #observe({ rows, spans }: Plan, ms: number): void {
    this.#sizer.observe(rows.length, ms);
    const isOfAnswers = spans.every(({ task, start }) => start >= task.promptLength);
    if (isOfAnswers) this.#cost.observe(rows.length, ms);
  }

  #queued(message: GenerateMessage, prompt: EncodedPrompt, tasks: readonly Task[]): void {
    for (const task of tasks) {
      if (!task.scoresPrompt) continue;
      this.#settlement.score(task, new PromptScorer(this.#model, prompt.tokens, message.logprobs ?? 0));
    }
    this.#makeWay(tasks);
    this.#wake();
  }

  /** Stops a long step of a prompt for a newcomer that is served before it. */
  #makeWay([task]: readonly Task[]): void {
    const { plan } = this.#running;
    if (this.#options.deterministic || !this.#sizer.isLong(plan.rows.length)) return;
    const left = task === undefined || task.paused ? undefined : this.#seats.left(task);
    if (task === undefined || left === undefined) return;
    const now = this.#options.now();
    if (!this.#planner.wouldOvertake({ task, left }, plan, now)) return;
    this.#sizer.disturbed(now);
    this.#running.abort();
  }

  /** Refuses a request that something went wrong with, and keeps back what it has said in this step. */
  #fail(id: number, error: unknown): void {
    this.#outbox.discard(id);
    this.#drop(this.#admission.remove(id), this.#seats.of(id));
    this.#outbox.refuse(id, error);
  }

  /** Ends tasks of a request. One that a running step computes for leaves its slot behind that step. */
  #drop(queued: readonly Task[], seated: readonly Seated[]): void {
    for (const task of queued) task.cancelled = true;
    for (const { slot, task } of seated) {
      task.cancelled = true;
      if (!this.#running.uses(slot)) this.#seats.vacate(slot);
    }
  }

  #flush(): void {
    this.#outbox.flush(this.#running.ids, this.#admission.waiting);
  }
}
