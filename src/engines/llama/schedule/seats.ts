import type { NativeContext } from "../native/context.ts";
import { nextCut } from "./blocks.ts";
import type { Span } from "./plan.ts";
import { emptySlot, type Placement, place, type Seated, type Slot } from "./slot.ts";
import type { Task } from "./task.ts";

export interface SeatsOptions {
  readonly slots: number;
  readonly blockTokens: number;
  readonly now: () => number;
}

/** The slots of a context: who has which, and what each holds. Keeps the native sequences in step. */
export class Seats {
  readonly slots: readonly Slot[];
  readonly #context: Pick<NativeContext, "share" | "truncate">;
  readonly #options: SeatsOptions;

  constructor(context: Pick<NativeContext, "share" | "truncate">, options: SeatsOptions) {
    this.#context = context;
    this.#options = options;
    this.slots = Array.from({ length: options.slots }, (_, index) => emptySlot(index));
  }

  /** Slots in use. */
  get taken(): number {
    return this.slots.filter((slot) => slot.task !== undefined).length;
  }

  /** The tasks of a request that have a slot. */
  of(id: number): readonly Seated[] {
    return this.slots.flatMap((slot) => (slot.task?.id === id ? [{ slot, task: slot.task }] : []));
  }

  /** Whether a task has a slot, in which its prompt has been evaluated. */
  holdsPrompt(task: Task): boolean {
    return this.slots.some((slot) => slot.task === task && slot.tokens.length >= task.promptLength);
  }

  /** Tokens to be evaluated of a task if it got a slot now; undefined when all slots are taken. */
  left(task: Task): number | undefined {
    const placement = this.#place(task);
    return placement && task.tokens.length - placement.keep;
  }

  /** Gives a task a slot and what it can use of a cache; false when all slots are taken. */
  seat(task: Task): boolean {
    const placement = this.#place(task);
    if (placement === undefined) return false;
    const { slot, donor, keep } = placement;
    if (donor !== undefined && keep > 0) {
      this.#context.share(donor.index, slot.index, keep);
      slot.tokens.splice(0, slot.tokens.length, ...donor.tokens.slice(0, keep));
      slot.cuts.splice(0, slot.cuts.length, ...donor.cuts);
    } else {
      this.#context.truncate(slot.index, keep);
      slot.tokens.length = keep;
    }
    slot.cuts.splice(0, slot.cuts.length, ...slot.cuts.filter((cut) => cut <= keep));
    slot.left = undefined;
    slot.task = task;
    task.cachedTokens ??= Math.min(keep, task.promptLength);
    return true;
  }

  /** The rows of a span have been evaluated: the slot holds them now. */
  hold({ slot, task, start, end, draft }: Span): void {
    for (let position = start; position < end; position += 1) slot.tokens.push(task.tokens[position] as number); // planned from these
    const block = this.#options.blockTokens;
    // A piece that shared its pass with drafts was rounded in their company.
    const exact = draft.tokens.length === 0 || (end - start) % block === 0;
    if (!exact || start !== (slot.cuts.at(-1) ?? 0)) return;
    for (let at = start; at < Math.min(end, task.promptLength); ) {
      at = nextCut(at, task.promptLength, block);
      slot.cuts.push(at);
    }
  }

  /** Of the rows evaluated up to `evaluated`, those of drafts that came true stay; the last token is to be evaluated yet. */
  keep(slot: Slot, task: Task, evaluated: number): void {
    const kept = Math.min(task.tokens.length - 1, evaluated);
    slot.tokens.push(...task.tokens.slice(slot.tokens.length, kept));
    slot.tokens.length = kept;
    if (kept < evaluated) this.#context.truncate(slot.index, kept);
  }

  /** The task is over. */
  vacate(slot: Slot): void {
    slot.task = undefined;
    slot.usedMs = this.#options.now();
  }

  /** Unseats the task that was served longest ago among those whose reader is too slow; undefined if there is none. */
  unseatPaused(): Task | undefined {
    const paused = this.slots.filter((slot) => slot.task?.paused === true && slot.task.generated > 0);
    const [slot] = paused.sort((a, b) => a.usedMs - b.usedMs);
    const task = slot?.task;
    if (slot === undefined || task === undefined) return undefined;
    slot.left = task;
    slot.task = undefined;
    return task;
  }

  #place(task: Task): Placement | undefined {
    const back = this.slots.find((slot) => slot.left === task && slot.task === undefined);
    if (back !== undefined) return { slot: back, keep: Math.min(back.tokens.length, task.tokens.length - 1) };
    const placement = place(this.slots, task, this.#options.blockTokens);
    // The prompt's own scores need all of its rows.
    return placement && task.scoresPrompt && task.generated === 0 ? { ...placement, keep: 0 } : placement;
  }
}
