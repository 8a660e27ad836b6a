import type { EncodedPrompt } from "../../../continuation/encode-prompt.ts";
import { ServiceError } from "../../../errors.ts";
import type { NativeContext } from "../native/context.ts";
import type { NativeModel } from "../native/model.ts";
import { PromptScorer } from "../pick/prompt-scorer.ts";
import type { FromEngine, GenerateMessage, StepOutput } from "../wire/messages.ts";
import { Counters } from "./counters.ts";
import { Intake, refusalOf } from "./intake.ts";
import { idsIn, NO_PLAN, type Plan, Planner, type PlannerOptions, planAlone, type Span } from "./plan.ts";
import { Seats } from "./seats.ts";
import { SliceSizer } from "./slice.ts";
import type { Seated, Slot } from "./slot.ts";
import type { Task } from "./task.ts";
import { usedUntilAbort } from "./used-until-abort.ts";
import { Waiting } from "./waiting.ts";

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

/** A running step is stopped when at least this many of its rows are for cancelled tasks. */
const ABORT_WORTH_ROWS = 16;

/**
 * Continuous batching: admits waiting requests to slots, and step by step evaluates a row of every running answer or some
 * blocks of a prompt. All rows of a step are sampled before the next one is made.
 */
export class Scheduler {
  readonly #context: NativeContext;
  readonly #model: NativeModel;
  readonly #options: SchedulerOptions;
  readonly #intake: Intake;
  readonly #waiting = new Waiting();
  readonly #seats: Seats;
  readonly #counters = new Counters();
  readonly #sizer = new SliceSizer();
  readonly #planning: PlannerOptions;
  readonly #planner: Planner;
  readonly #turns = new Map<Slot, number>();
  /** Weak: a task may be dropped before its prompt is scored. */
  readonly #scorers = new WeakMap<Task, PromptScorer>();
  #outputs: StepOutput[] = [];
  #running = NO_PLAN;
  #wake: () => void = () => {};

  constructor(context: NativeContext, model: NativeModel, options: SchedulerOptions) {
    this.#context = context;
    this.#model = model;
    this.#options = options;
    this.#seats = new Seats(context, options);
    const { batchTokens, slotTokens } = context;
    this.#planning = { capacity: batchTokens, slotTokens, blockTokens: options.blockTokens, sizer: this.#sizer };
    this.#planner = new Planner(this.#planning);
    this.#intake = new Intake(model, {
      slotTokens,
      now: options.now,
      admit: (message, prompt, tasks) => this.#enqueue(message, prompt, tasks),
      refuse: (id, error) => this.#refuse(id, error),
    });
  }

  submit(message: GenerateMessage): void {
    const waiting = this.#waiting.requests + this.#intake.pending;
    if (!message.resumed && message.admitted !== true && waiting >= this.#options.queueLimit) {
      const text = `${waiting} requests are waiting for the model already; try again shortly`;
      this.#refuse(message.id, new ServiceError("queue_full", text, { retryAfterMs: 1_000 }));
    } else this.#intake.take(message);
  }

  /** Drops a request wherever it is; a step that works mostly for it is stopped on the way. */
  abort(id: number): void {
    this.#intake.abort(id);
    const queued = this.#waiting.take(id);
    const seated = this.#seats.of(id);
    this.#counters.aborted(
      queued,
      seated.map(({ slot, task }) => ({ task, evaluated: slot.tokens.length })),
    );
    this.#drop(queued, seated);
    const wasted = this.#running.spans.reduce(
      (sum, span) => sum + (span.task.cancelled ? span.end - span.start : 0),
      0,
    );
    if (wasted >= ABORT_WORTH_ROWS) this.#context.abort();
    this.#flush(); // what it has said before belongs to what it used
    this.#options.send(usedUntilAbort(id, seated, queued));
    this.#wake();
  }

  pause(id: number, paused: boolean): void {
    this.#intake.pause(id, paused);
    for (const task of [...this.#waiting.of(id), ...this.#seats.of(id).map((seat) => seat.task)]) task.paused = paused;
    this.#wake();
  }

  /** Runs for as long as the process lives; rejects when the native library fails. */
  async run(): Promise<never> {
    for (;;) {
      this.#seatWaiting();
      const plan = this.#plan();
      if (plan.rows.length === 0) {
        this.#flush();
        this.#context.pause();
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      this.#running = plan;
      const startedMs = this.#options.now();
      const decoding = this.#context.decode(plan.rows);
      this.#flush(); // the last step's news goes out while this one computes
      const outcome = await decoding;
      this.#running = NO_PLAN;
      if (outcome === "done") {
        this.#settle(plan);
        this.#sizer.observe(plan.rows.length, this.#options.now() - startedMs); // scoring a prompt takes its time, too
      } else if (outcome === "aborted") this.#rollBack(plan);
      else throw new Error("the context has no free cells although every slot is within its bounds");
    }
  }

  #enqueue(message: GenerateMessage, prompt: EncodedPrompt, tasks: readonly Task[]): void {
    const { promptTokens, truncatedTokens } = prompt;
    this.#options.send({ type: "accepted", id: message.id, promptTokens, truncatedTokens });
    if (tasks.length === 0) return; // asked for to know whether it would be accepted
    this.#waiting.add(...tasks);
    for (const task of tasks) {
      if (!task.scoresPrompt) continue;
      this.#scorers.set(task, new PromptScorer(this.#model, prompt.tokens, message.logprobs ?? 0));
    }
    this.#makeWay(tasks);
    this.#wake();
  }

  #refuse(id: number, error: unknown): void {
    const refusal = refusalOf(error);
    if (refusal !== error) this.#options.report(error);
    const { code, message, detail } = refusal;
    this.#options.send({
      type: "refused",
      id,
      code,
      message,
      ...(detail.param !== undefined && { param: detail.param }),
      ...(detail.retryAfterMs !== undefined && { retryAfterMs: detail.retryAfterMs }),
    });
  }

  /** Stops a long step of a prompt for a newcomer that is served before it. */
  #makeWay([task]: readonly Task[]): void {
    if (this.#options.deterministic || !this.#sizer.isLong(this.#running.rows.length)) return;
    const left = task === undefined || task.paused ? undefined : this.#seats.left(task);
    if (task === undefined || left === undefined) return;
    const now = this.#options.now();
    if (!this.#planner.wouldOvertake({ task, left }, this.#running, now)) return;
    this.#sizer.disturbed(now);
    this.#context.abort();
  }

  /** Those that wait get the free slots, then those of answers that nobody reads at the moment. */
  #seatWaiting(): void {
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

  #plan(): Plan {
    const now = this.#options.now();
    if (!this.#options.deterministic) return this.#planner.step(this.#seats.slots, now);
    const plan = planAlone(this.#seats.slots, this.#turns, this.#planning);
    for (const { slot } of plan.spans) this.#turns.set(slot, now);
    return plan;
  }

  #settle(plan: Plan): void {
    const now = this.#options.now();
    for (const span of plan.spans) {
      const { slot, task } = span;
      this.#seats.hold(span);
      slot.usedMs = now;
      if (!task.cancelled) this.#takeAlone(span);
      if (task.cancelled || task.finished) this.#seats.vacate(slot);
    }
  }

  /** What goes wrong in one task ends its request and no other. */
  #takeAlone(span: Span): void {
    try {
      this.#take(span);
    } catch (error) {
      const { id } = span.task;
      this.#outputs = this.#outputs.filter((output) => output.id !== id);
      this.#drop(this.#waiting.take(id), this.#seats.of(id));
      this.#refuse(id, error);
    }
  }

  /** Ends tasks of a request. One that a running step computes for leaves its slot behind that step. */
  #drop(queued: readonly Task[], seated: readonly Seated[]): void {
    for (const task of queued) task.cancelled = true;
    for (const { slot, task } of seated) {
      task.cancelled = true;
      if (!this.#running.spans.some((span) => span.slot === slot)) this.#seats.vacate(slot);
    }
  }

  /** Reads what a span's last row says: the next token, unless there is more to evaluate first. */
  #take({ slot, task, start, end, draft, firstRow }: Span): void {
    this.#counters.evaluated(task, start, end);
    const scorer = this.#scorers.get(task);
    if (scorer !== undefined) {
      const done = scorer.take(start, Math.min(end, task.promptLength), (position) =>
        this.#context.logits(firstRow + position - start),
      );
      if (done) this.#options.send({ type: "echo", id: task.id, tokens: scorer.tokens });
      if (done) this.#scorers.delete(task);
    }
    if (slot.tokens.length < task.tokens.length) return;
    if (task.maxTokens === 0) {
      this.#outputs.push(task.finishEmpty());
      return;
    }
    const lastRow = firstRow + end - start - 1;
    const room = this.#context.slotTokens - task.tokens.length;
    const output = task.advance((row) => this.#context.logits(lastRow + row), draft, room);
    this.#outputs.push(output);
    this.#counters.generated(output.generated.length, output.drafted ?? { proposed: 0, accepted: 0 });
    this.#seats.keep(slot, task, end + draft.tokens.length);
  }

  /** The slots hold what they held before the step. */
  #rollBack(plan: Plan): void {
    for (const { slot, task } of plan.spans) if (task.cancelled) this.#seats.vacate(slot);
  }

  /** The figures go out without outputs too: while a prompt is evaluated, and after an abort freed a slot. */
  #flush(): void {
    this.#options.send({ type: "step", running: idsIn(this.#running), outputs: this.#outputs, stats: this.#stats() });
    this.#outputs = [];
  }

  #stats() {
    const queued = this.#waiting.requests + this.#intake.pending;
    return this.#counters.snapshot({ queued, running: this.#seats.taken, slots: this.#seats.slots.length });
  }
}
