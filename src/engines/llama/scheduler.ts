import { ServiceError } from "../../errors.ts";
import type { NativeContext } from "./context.ts";
import { Counters } from "./counters.ts";
import { type EncodedPrompt, encodePrompt } from "./encode-prompt.ts";
import { tokensToHeal } from "./healing.ts";
import type { FromEngine, GenerateMessage, StepOutput } from "./messages.ts";
import type { NativeModel } from "./model.ts";
import { isUrgent, NO_PLAN, type Plan, planAlone, planStep, type Span } from "./plan.ts";
import { PromptScorer } from "./prompt-scorer.ts";
import { SliceSizer } from "./slice.ts";
import { place, type Slot } from "./slot.ts";
import { Task } from "./task.ts";
import { usedUntilAbort } from "./used-until-abort.ts";

export interface SchedulerOptions {
  readonly slots: number;
  readonly deterministic: boolean;
  readonly queueLimit: number;
  readonly now: () => number;
  readonly send: (message: FromEngine) => void;
}

/** Rows of a running step that nobody wants any more are worth stopping it from here on. */
const ABORT_WORTH_ROWS = 16;

/**
 * Continuous batching: admits waiting requests to slots, and step by step evaluates a row of every running answer together
 * with a slice of a waiting prompt. All rows of a step are sampled before the next one is made.
 */
export class Scheduler {
  readonly #context: NativeContext;
  readonly #model: NativeModel;
  readonly #options: SchedulerOptions;
  readonly #slots: readonly Slot[];
  readonly #counters: Counters;
  readonly #sizer = new SliceSizer();
  readonly #turns = new Map<Slot, number>();
  /** Weak: a task may be dropped before its prompt is scored. */
  readonly #scorers = new WeakMap<Task, PromptScorer>();
  #queue: Task[] = [];
  #outputs: StepOutput[] = [];
  #running = NO_PLAN;
  #wake: () => void = () => {};

  constructor(context: NativeContext, model: NativeModel, options: SchedulerOptions) {
    this.#context = context;
    this.#model = model;
    this.#options = options;
    const slot = { task: undefined, usedMs: 0 };
    this.#slots = Array.from({ length: options.slots }, (_, index) => ({ index, tokens: [], ...slot }));
    this.#counters = new Counters();
  }

  submit(message: GenerateMessage): void {
    try {
      this.#accept(message);
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      const { code, message: text, detail } = error;
      this.#options.send({
        type: "refused",
        id: message.id,
        code,
        message: text,
        ...(detail.param !== undefined && { param: detail.param }),
        ...(detail.retryAfterMs !== undefined && { retryAfterMs: detail.retryAfterMs }),
      });
    }
  }

  /** Drops a request wherever it is; a step that works mostly for it is stopped on the way. */
  abort(id: number): void {
    const queued = this.#queue.filter((task) => task.id === id);
    this.#queue = this.#queue.filter((task) => task.id !== id);
    const seated = this.#slots.flatMap((slot) => (slot.task?.id === id ? [{ slot, task: slot.task }] : []));
    this.#counters.aborted(
      queued,
      seated.map(({ slot, task }) => ({ task, evaluated: slot.tokens.length })),
    );
    for (const task of queued) task.free();
    for (const { slot, task } of seated) {
      task.cancelled = true;
      if (!this.#running.spans.some((span) => span.slot === slot)) this.#vacate(slot);
    }
    const wasted = this.#running.spans.reduce(
      (sum, span) => sum + (span.task.cancelled ? span.end - span.start : 0),
      0,
    );
    if (wasted >= ABORT_WORTH_ROWS) this.#context.abort();
    this.#flush(); // what it has said before belongs to what it used
    this.#options.send(usedUntilAbort(id, seated));
    this.#wake();
  }

  pause(id: number, paused: boolean): void {
    for (const task of [...this.#queue, ...this.#slots.flatMap((slot) => slot.task ?? [])]) {
      if (task.id === id) task.paused = paused;
    }
    this.#wake();
  }

  /** Runs for as long as the process lives; rejects when the native library fails. */
  async run(): Promise<never> {
    for (;;) {
      this.#admit();
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
        this.#sizer.observe(plan.rows.length, this.#options.now() - startedMs);
        this.#settle(plan);
      } else this.#rollBack(plan, outcome);
    }
  }

  #accept(message: GenerateMessage): void {
    const room = this.#context.slotTokens - 1;
    const encoded = encodePrompt(message.prompt, message.limits, {
      roomTokens: room,
      encode: (part) => this.#model.encode(part),
      tokensToHeal: (tokens, bytes) => (heals(message) ? tokensToHeal(tokens, bytes, this.#model.pieces) : 0),
    });
    const waiting = new Set(this.#queue.map((task) => task.id)).size;
    if (!message.resumed && message.admitted !== true && waiting >= this.#options.queueLimit) {
      throw new ServiceError("queue_full", `${waiting} requests are waiting for the model already; try again shortly`, {
        retryAfterMs: 1_000,
      });
    }
    const tasks = this.#tasksOf(message, encoded);
    if (!message.resumed) {
      const { promptTokens, truncatedTokens } = encoded;
      this.#options.send({ type: "accepted", id: message.id, promptTokens, truncatedTokens });
    }
    if (tasks.length === 0) return; // asked for to know whether it would be accepted
    this.#queue.push(...tasks);
    for (const task of tasks) {
      if (!task.scoresPrompt) continue;
      this.#scorers.set(task, new PromptScorer(this.#model, encoded.tokens, message.logprobs ?? 0));
    }
    this.#makeWay(encoded.tokens.length);
    this.#wake();
  }

  /** Stops a long step of longer prompts, so that a newcomer of so many tokens goes first. */
  #makeWay(tokens: number): void {
    const { spans, rows } = this.#running;
    const goesFirst = spans.every(({ task, start }) => task.generated === 0 && tokens < task.tokens.length - start);
    const hasSlot = this.#slots.some((slot) => slot.task === undefined);
    if (this.#options.deterministic || !this.#sizer.isLong(rows.length) || !goesFirst || !hasSlot) return;
    this.#sizer.disturbed(this.#options.now());
    this.#context.abort();
  }

  #tasksOf(message: GenerateMessage, encoded: EncodedPrompt): readonly Task[] {
    const tasks: Task[] = [];
    for (const [choice, replay] of message.choices.entries()) {
      if (replay === null) continue;
      const leader = this.#options.deterministic ? undefined : tasks[0];
      tasks.push(new Task(message, choice, encoded, this.#model, this.#options.now(), leader));
    }
    return tasks;
  }

  #admit(): void {
    const now = this.#options.now();
    const order = (task: Task): number => (isUrgent(task, now) ? 0 : 1);
    for (;;) {
      const [task] = this.#queue
        .filter(({ leader }) => leader === undefined || leader.finished || leader.cancelled || leader.generated > 0)
        .sort((a, b) => order(a) - order(b) || a.arrivedMs - b.arrivedMs || a.choice - b.choice);
      if (task === undefined || !this.#seat(task)) return;
      this.#queue = this.#queue.filter((each) => each !== task);
    }
  }

  /** Gives a task a slot and what can be reused of a cache; false when all slots are taken. */
  #seat(task: Task): boolean {
    const placement = place(this.#slots, task.tokens);
    if (placement === undefined) return false;
    const { slot, donor } = placement;
    const keep = this.#options.deterministic || task.scoresPrompt ? 0 : placement.keep;
    if (donor !== undefined && keep > 0) {
      this.#context.share(donor.index, slot.index, keep);
      slot.tokens.splice(0, slot.tokens.length, ...donor.tokens.slice(0, keep));
    } else {
      this.#context.truncate(slot.index, keep);
      slot.tokens.length = keep;
    }
    slot.task = task;
    task.cachedTokens = Math.min(keep, task.promptLength);
    this.#counters.seated(task);
    return true;
  }

  #plan(): Plan {
    if (this.#options.deterministic) {
      const plan = planAlone(this.#slots, this.#turns);
      for (const { slot } of plan.spans) this.#turns.set(slot, this.#options.now());
      return plan;
    }
    const { batchTokens, slotTokens } = this.#context;
    return planStep(this.#slots, { capacity: batchTokens, slotTokens }, this.#sizer, this.#options.now());
  }

  #settle(plan: Plan): void {
    const now = this.#options.now();
    for (const span of plan.spans) {
      const { slot, task, start, end } = span;
      for (let position = start; position < end; position += 1) slot.tokens.push(task.tokens[position] as number); // planned from these
      slot.usedMs = now;
      if (!task.cancelled) this.#take(span);
      if (task.cancelled || task.finished) this.#vacate(slot);
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
    this.#keepTaken(slot, task, end + draft.tokens.length);
  }

  /** Drafted rows that came true stay; the others go, and so does the last one if it is to be decoded again. */
  #keepTaken(slot: Slot, task: Task, evaluated: number): void {
    const kept = Math.min(task.tokens.length - 1, evaluated);
    slot.tokens.push(...task.tokens.slice(slot.tokens.length, kept));
    slot.tokens.length = kept;
    if (kept < evaluated) this.#context.truncate(slot.index, kept);
  }

  /** A step that did not end leaves no trace: its rows are forgotten and planned again. */
  #rollBack(plan: Plan, outcome: "full" | "aborted"): void {
    for (const { slot, task, start } of plan.spans) {
      this.#context.truncate(slot.index, start);
      if (task.cancelled) this.#vacate(slot);
    }
    if (outcome === "aborted") return;
    const held = this.#slots.filter((slot) => slot.task === undefined && slot.tokens.length > 0);
    if (held.length === 0) throw new Error("the context has no free cells although every slot is within its bounds");
    for (const slot of held) {
      this.#context.truncate(slot.index, 0);
      slot.tokens.length = 0;
    }
  }

  #vacate(slot: Slot): void {
    slot.task?.free();
    slot.task = undefined;
    slot.usedMs = this.#options.now();
  }

  /** The figures go out without outputs too: while a prompt is evaluated, and after an abort freed a slot. */
  #flush(): void {
    this.#options.send({ type: "step", outputs: this.#outputs, stats: this.#stats() });
    this.#outputs = [];
  }

  #stats() {
    const queued = new Set(this.#queue.map((task) => task.id)).size;
    const running = this.#slots.filter((slot) => slot.task !== undefined).length;
    return this.#counters.snapshot({ queued, running, slots: this.#slots.length });
  }
}

/** The prompt's own scores need the prompt as it is, and without an answer there is nothing to spell. */
function heals({ healing, promptLogprobs, limits }: GenerateMessage): boolean {
  return healing && !promptLogprobs && limits.maxTokens !== 0;
}
