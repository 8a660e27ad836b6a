import type { Row } from "./batch-memory.ts";
import { type Draft, NO_DRAFT } from "./draft.ts";
import { FIXED_SLICE, type SliceSizer } from "./slice.ts";
import type { Slot } from "./slot.ts";
import type { Task } from "./task.ts";

/** Part of every slice that the prompt waiting longest gets, so that a stream of short ones cannot starve it. */
const OLDEST_SHARE = 0.25;

/** A batch request that has waited this long goes like an interactive one. */
export const BATCH_PATIENCE_MS = 5_000;

/** Most drafted rows of one step: with many answers under way, rows that may be thrown away would cost the others. */
const MOST_DRAFTED = 32;

/** What one step evaluates. */
export interface Plan {
  readonly rows: readonly Row[];
  readonly spans: readonly Span[];
}

export const NO_PLAN: Plan = { rows: [], spans: [] };

/** Requests that the step works for. */
export function idsIn({ spans }: Plan): readonly number[] {
  return [...new Set(spans.map(({ task }) => task.id))];
}

/** The rows of one slot: its task's tokens from `start` to `end`, then a draft of those to come, from `firstRow` of the batch on. */
export interface Span {
  readonly slot: Slot;
  readonly task: Task;
  readonly start: number;
  readonly end: number;
  readonly draft: Draft;
  readonly firstRow: number;
}

/**
 * One step: a row for every running answer, then prompt slices, interactive lane first, shortest remaining prompt first,
 * with a share kept for the oldest.
 *
 * @param capacity most rows of a batch.
 * @param slotTokens most tokens of a slot.
 */
export function planStep(
  slots: readonly Slot[],
  { capacity, slotTokens }: { readonly capacity: number; readonly slotTokens: number },
  sizer: SliceSizer,
  nowMs: number,
): Plan {
  const active = slots.flatMap((slot) =>
    slot.task === undefined || slot.task.paused ? [] : [{ slot, task: slot.task }],
  );
  const builder = new PlanBuilder({ capacity, slotTokens, drafts: MOST_DRAFTED });
  const remaining = (each: { slot: Slot; task: Task }): number => each.task.tokens.length - each.slot.tokens.length;
  const decoding = active.filter((each) => remaining(each) === 1 && each.task.generated > 0);
  for (const { slot, task } of decoding) builder.add(slot, task, 1);

  const urgency = ({ task }: { task: Task }): number => (isUrgent(task, nowMs) ? 0 : 1);
  const prefilling = active
    .filter((each) => !decoding.includes(each))
    .sort((a, b) => urgency(a) - urgency(b) || remaining(a) - remaining(b) || a.task.arrivedMs - b.task.arrivedMs);
  let budget = Math.min(sizer.tokens({ streaming: decoding.length > 0, nowMs }), capacity - builder.rows.length);
  const reserve = Math.floor(budget * OLDEST_SHARE);
  const oldest = prefilling.reduce<(typeof prefilling)[number] | undefined>(
    (best, each) => (best === undefined || each.task.arrivedMs < best.task.arrivedMs ? each : best),
    undefined,
  );
  for (const each of prefilling) {
    const kept = oldest === undefined || oldest === each || builder.has(oldest.task) ? 0 : reserve;
    const count = Math.max(0, Math.min(budget - kept, remaining(each)));
    if (count > 0) builder.add(each.slot, each.task, count);
    budget = Math.min(budget - count, capacity - builder.rows.length);
  }
  return builder;
}

/**
 * One step of deterministic mode: one request alone, its prompt in slices that always begin at the same places, then a row
 * at a time. Nothing in it depends on neighbours or on what was cached.
 *
 * @param turn picks fairly: the slot served longest ago comes first.
 */
export function planAlone(slots: readonly Slot[], turn: ReadonlyMap<Slot, number>): Plan {
  const builder = new PlanBuilder({ capacity: FIXED_SLICE, slotTokens: 0, drafts: 0 });
  const [slot] = slots
    .filter((each) => each.task !== undefined && !each.task.paused)
    .sort((a, b) => (turn.get(a) ?? 0) - (turn.get(b) ?? 0) || a.index - b.index);
  const task = slot?.task;
  if (slot === undefined || task === undefined) return builder;
  const at = slot.tokens.length;
  const count = at < task.promptLength ? Math.min(FIXED_SLICE, task.promptLength - at) : 1;
  builder.add(slot, task, count);
  return builder;
}

export function isUrgent(task: Task, nowMs: number): boolean {
  return task.lane === "interactive" || nowMs - task.arrivedMs >= BATCH_PATIENCE_MS;
}

class PlanBuilder implements Plan {
  readonly rows: Row[] = [];
  readonly spans: Span[] = [];
  readonly #capacity: number;
  readonly #slotTokens: number;
  #drafts: number;

  /** @param room `drafts`: most drafted rows of all spans together. */
  constructor(room: { readonly capacity: number; readonly slotTokens: number; readonly drafts: number }) {
    this.#capacity = room.capacity;
    this.#slotTokens = room.slotTokens;
    this.#drafts = room.drafts;
  }

  has(task: Task): boolean {
    return this.spans.some((span) => span.task === task);
  }

  add(slot: Slot, task: Task, count: number): void {
    const start = slot.tokens.length;
    const end = start + count;
    const draft = end === task.tokens.length ? this.#draft(task, count) : NO_DRAFT;
    this.spans.push({ slot, task, start, end, draft, firstRow: this.rows.length });
    for (let position = start; position < end; position += 1) {
      const token = task.tokens[position];
      if (token === undefined) throw new Error(`no token at position ${position}`);
      const output = position === task.tokens.length - 1 || (task.scoresPrompt && position < task.promptLength);
      this.rows.push({ token, position, sequence: slot.index, output });
    }
    for (const [offset, token] of draft.tokens.entries()) {
      this.rows.push({ token, position: end + offset, sequence: slot.index, output: true });
    }
  }

  #draft(task: Task, rows: number): Draft {
    const room = Math.min(
      this.#drafts,
      this.#capacity - this.rows.length - rows,
      this.#slotTokens - task.tokens.length - 1,
    );
    const draft = room > 0 ? task.draft(room) : NO_DRAFT;
    this.#drafts -= draft.tokens.length;
    return draft;
  }
}
