import type { NativeContext } from "../native/context.ts";
import type { PromptScorer } from "../pick/prompt-scorer.ts";
import type { Counters } from "./counters.ts";
import type { Outbox } from "./outbox.ts";
import type { Plan, Span } from "./plan.ts";
import type { Seats } from "./seats.ts";
import type { Task } from "./task.ts";

export interface SettlementOptions {
  readonly now: () => number;
  /** What goes wrong in one task ends its request and no other. */
  readonly fail: (id: number, error: unknown) => void;
}

/** What becomes of a step that was computed: slots, next tokens, outputs, figures. */
export class Settlement {
  readonly #context: NativeContext;
  readonly #seats: Seats;
  readonly #counters: Counters;
  readonly #outbox: Outbox;
  readonly #options: SettlementOptions;
  /** Weak: a task may be dropped before its prompt is scored. */
  readonly #scorers = new WeakMap<Task, PromptScorer>();

  constructor(context: NativeContext, seats: Seats, counters: Counters, outbox: Outbox, options: SettlementOptions) {
    this.#context = context;
    this.#seats = seats;
    this.#counters = counters;
    this.#outbox = outbox;
    this.#options = options;
  }

  /** Has a task's prompt scored as it is evaluated. */
  score(task: Task, scorer: PromptScorer): void {
    this.#scorers.set(task, scorer);
  }

  /** The rows of the plan were evaluated, and their logits can be read. */
  settle({ spans }: Plan): void {
    const now = this.#options.now();
    for (const span of spans) {
      const { slot, task } = span;
      this.#seats.hold(span);
      slot.usedMs = now;
      if (!task.cancelled) this.#takeAlone(span);
      if (task.cancelled || task.finished) this.#seats.vacate(slot);
    }
  }

  /** The plan was stopped: the slots hold what they held before it. */
  rollBack({ spans }: Plan): void {
    for (const { slot, task } of spans) if (task.cancelled) this.#seats.vacate(slot);
  }

  #takeAlone(span: Span): void {
    try {
      this.#take(span);
    } catch (error) {
      this.#options.fail(span.task.id, error);
    }
  }

  /** Reads what a span's last row says: the next token, unless there is more to evaluate first. */
  #take(span: Span): void {
    const { slot, task, start, end, draft, firstRow } = span;
    this.#counters.evaluated(task, start, end);
    this.#score(span);
    if (slot.tokens.length < task.tokens.length) return;
    if (task.maxTokens === 0) {
      this.#outbox.add(task.finishEmpty());
      return;
    }
    const lastRow = firstRow + end - start - 1;
    const room = this.#context.slotTokens - task.tokens.length;
    const output = task.advance((row) => this.#context.logits(lastRow + row), draft, room);
    this.#outbox.add(output);
    this.#counters.generated(output.generated.length, output.drafted ?? { proposed: 0, accepted: 0 });
    this.#seats.keep(slot, task, end + draft.tokens.length);
  }

  #score({ task, start, end, firstRow }: Span): void {
    const scorer = this.#scorers.get(task);
    if (scorer === undefined) return;
    const isDone = scorer.take(start, Math.min(end, task.promptLength), (position) =>
      this.#context.logits(firstRow + position - start),
    );
    if (!isDone) return;
    this.#outbox.send({ type: "echo", id: task.id, tokens: scorer.tokens });
    this.#scorers.delete(task);
  }
}
