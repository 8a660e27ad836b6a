import type { Row } from "../native/batch-memory.ts";
import { type Draft, NO_DRAFT, shortened } from "../pick/draft.ts";
import { allot, MOST_ROWS } from "./allot.ts";
import { nextCut } from "./blocks.ts";
import type { SliceSizer } from "./slice.ts";
import type { Seated, Slot } from "./slot.ts";
import { type StepCost, USUAL_COST } from "./step-cost.ts";
import type { Task } from "./task.ts";

/** Prompt tokens of others for each of the prompt that waits longest, so that a stream of short ones cannot starve it. */
const OTHERS_PER_OLDEST = 3;

/** A batch request that has waited this long goes like an interactive one. */
export const BATCH_PATIENCE_MS = 5_000;

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

export interface PlannerOptions {
  /** Most rows of a batch. */
  readonly capacity: number;
  /** Most tokens of a slot. */
  readonly slotTokens: number;
  readonly blockTokens: number;
  readonly sizer: SliceSizer;
  readonly cost: StepCost;
}

/** A task and how many of its tokens are to be evaluated yet. */
export interface Pending {
  readonly task: Task;
  readonly left: number;
}

/**
 * What each step evaluates: a row for every running answer, or some blocks of one prompt. Prompts and answers never share a
 * batch, nor do two prompts, so that a prompt is computed in the same way whatever goes on beside it.
 */
export class Planner {
  readonly #options: PlannerOptions;
  /** Prompt tokens since the answers last had a step. */
  #sinceAnswers = 0;
  /** Prompt tokens since the prompt that waits longest was served. */
  #sinceOldest = 0;

  constructor(options: PlannerOptions) {
    this.#options = options;
  }

  /** The next step: of the prompts the interactive lane first, then the shortest remaining, with a share for the oldest. */
  step(slots: readonly Slot[], nowMs: number): Plan {
    const { capacity, blockTokens, sizer } = this.#options;
    const active = seated(slots);
    const answers = active.filter((each) => remaining(each) === 1 && each.task.generated > 0);
    const prompts = active.filter((each) => !answers.includes(each));
    const budget = sizer.tokens({ streaming: answers.length > 0, nowMs });
    const next = this.#nextPrompt(prompts, nowMs);
    const left = answers.length > 0 ? budget - this.#sinceAnswers : budget;
    const end = next === undefined ? 0 : runEnd(next, Math.min(left, capacity), blockTokens);
    const length = next === undefined ? 0 : end - next.slot.tokens.length;
    const builder = new PlanBuilder();
    if (next === undefined || (answers.length > 0 && this.#sinceAnswers > 0 && length > left)) {
      this.#sinceAnswers = 0;
      const drafts = this.#drafts(answers);
      for (const [index, { slot, task }] of answers.entries()) builder.add(slot, task, 1, drafts[index]);
      return builder;
    }
    this.#sinceAnswers += length;
    this.#sinceOldest = next === oldestOf(prompts) ? 0 : this.#sinceOldest + length;
    const isWhole = end === next.task.tokens.length;
    builder.add(next.slot, next.task, length, isWhole ? next.task.draft(this.#room(next.task, length)) : NO_DRAFT);
    return builder;
  }

  /** Of each answer's draft as much as is worth its rows. */
  #drafts(answers: readonly Seated[]): readonly Draft[] {
    const tasks = answers.map(({ task }) => task);
    const drafts = tasks.map((task) => task.draft(Math.min(MOST_ROWS, this.#room(task, tasks.length))));
    const odds = drafts.map(({ odds }) => odds);
    // What an answer alone drafts, and with it how its rows are rounded, depends on its text and not on the speed of the machine.
    const cost = tasks.length === 1 ? USUAL_COST : this.#options.cost;
    const certain = drafts.reduce((sum, { tokens, isGuess }) => sum + (isGuess ? 0 : tokens.length), 0);
    const counts = allot(odds, tasks.length + certain, cost, this.#options.capacity);
    return drafts.map((draft, index) => (draft.isGuess ? shortened(draft, counts[index] ?? 0) : draft));
  }

  /** Drafted tokens that fit into the task's slot and into a batch of so many other rows. */
  #room({ tokens }: Task, rows: number): number {
    const { capacity, slotTokens } = this.#options;
    return Math.max(0, Math.min(capacity - rows, slotTokens - tokens.length - 1));
  }

  /** Whether a newcomer would be served before the prompt that a step works on, if that step were stopped. */
  wouldOvertake(newcomer: Pending, { spans }: Plan, nowMs: number): boolean {
    if (this.#isOldestDue) return false;
    return spans.every(({ task, start }) => {
      const left = task.tokens.length - start;
      return task.generated === 0 && order(newcomer, { task, left }, nowMs) < 0;
    });
  }

  #nextPrompt(prompts: readonly Seated[], nowMs: number): Seated | undefined {
    if (this.#isOldestDue) return oldestOf(prompts);
    const pending = (each: Seated): Pending => ({ task: each.task, left: remaining(each) });
    const [first] = [...prompts].sort((a, b) => order(pending(a), pending(b), nowMs));
    return first;
  }

  get #isOldestDue(): boolean {
    return this.#sinceOldest >= OTHERS_PER_OLDEST * this.#options.blockTokens;
  }
}

/** Negative: the first of two prompts is served before the second. */
function order(a: Pending, b: Pending, nowMs: number): number {
  const urgency = ({ task }: Pending): number => (isUrgent(task, nowMs) ? 0 : 1);
  return urgency(a) - urgency(b) || a.left - b.left || a.task.arrivedMs - b.task.arrivedMs;
}

/**
 * One step of deterministic mode: one request alone, its prompt in blocks, then a row at a time. Nothing in it depends on
 * neighbours.
 *
 * @param turn picks fairly: the slot served longest ago comes first.
 */
export function planAlone(
  slots: readonly Slot[],
  turn: ReadonlyMap<Slot, number>,
  { capacity, blockTokens }: Pick<PlannerOptions, "capacity" | "blockTokens">,
): Plan {
  const builder = new PlanBuilder();
  const [next] = seated(slots).sort(
    (a, b) => (turn.get(a.slot) ?? 0) - (turn.get(b.slot) ?? 0) || a.slot.index - b.slot.index,
  );
  if (next === undefined) return builder;
  const { slot, task } = next;
  const at = slot.tokens.length;
  builder.add(
    slot,
    task,
    at < task.promptLength ? runEnd(next, Math.min(2 * blockTokens, capacity), blockTokens) - at : 1,
  );
  return builder;
}

export function isUrgent(task: Task, nowMs: number): boolean {
  return task.lane === "interactive" || nowMs - task.arrivedMs >= BATCH_PATIENCE_MS;
}

function seated(slots: readonly Slot[]): Seated[] {
  return slots.flatMap((slot) => (slot.task === undefined || slot.task.paused ? [] : [{ slot, task: slot.task }]));
}

function remaining({ slot, task }: Seated): number {
  return task.tokens.length - slot.tokens.length;
}

function oldestOf(prompts: readonly Seated[]): Seated | undefined {
  return prompts.reduce<Seated | undefined>(
    (best, each) => (best === undefined || each.task.arrivedMs < best.task.arrivedMs ? each : best),
    undefined,
  );
}

/**
 * Where one batch of a prompt ends: behind as many whole blocks as `budget` allows and at least one, or behind one piece. A
 * piece is smaller than a block and would be computed together with what follows it.
 */
function runEnd({ slot, task }: Seated, budget: number, block: number): number {
  const start = slot.tokens.length;
  const { promptLength } = task;
  // What an earlier process generated has no cuts: it was computed row by row.
  if (start >= promptLength) return Math.min(task.tokens.length, start + block);
  let end = nextCut(start, promptLength, block);
  while (end - start >= block && end + block <= promptLength && end + block - start <= budget) end += block;
  return end;
}

class PlanBuilder implements Plan {
  readonly rows: Row[] = [];
  readonly spans: Span[] = [];

  add(slot: Slot, task: Task, count: number, draft: Draft = NO_DRAFT): void {
    const start = slot.tokens.length;
    const end = start + count;
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
}
