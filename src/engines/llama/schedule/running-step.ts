import type { NativeContext } from "../native/context.ts";
import { idsIn, NO_PLAN, type Plan } from "./plan.ts";
import type { Slot } from "./slot.ts";

/** A running step is stopped when at least this many of its rows are for cancelled tasks. */
const ABORT_WORTH_ROWS = 16;

/** The step that the native library computes at the moment, if it does. */
export class RunningStep {
  readonly #context: NativeContext;
  #plan = NO_PLAN;

  constructor(context: NativeContext) {
    this.#context = context;
  }

  get plan(): Plan {
    return this.#plan;
  }

  /** The requests it works for. */
  get ids(): readonly number[] {
    return idsIn(this.#plan);
  }

  async decode(plan: Plan): Promise<"done" | "full" | "aborted"> {
    this.#plan = plan;
    const outcome = await this.#context.decode(plan.rows);
    this.#plan = NO_PLAN;
    return outcome;
  }

  uses(slot: Slot): boolean {
    return this.#plan.spans.some((span) => span.slot === slot);
  }

  /** Stops it if it works mostly for tasks that were cancelled. */
  abortIfCancelled(): void {
    const rows = this.#plan.spans.reduce((sum, { task, start, end }) => sum + (task.cancelled ? end - start : 0), 0);
    if (rows >= ABORT_WORTH_ROWS) this.abort();
  }

  abort(): void {
    this.#context.abort();
  }
}
