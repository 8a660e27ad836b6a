import { nextCut } from "./blocks.ts";
import type { Task } from "./task.ts";

/** One sequence of the context: what it holds, and for whom. */
export interface Slot {
  readonly index: number;
  /** Tokens whose state the sequence holds, from position 0. */
  readonly tokens: number[];
  /** Where the blocks of a prompt end that were evaluated as `nextCut` cuts it, from position 0; nothing behind the last is. */
  readonly cuts: number[];
  task: Task | undefined;
  /** A task that had to leave the slot and whose state it still holds. */
  left: Task | undefined;
  usedMs: number;
}

/** A task and the slot that it has. */
export interface Seated {
  readonly slot: Slot;
  readonly task: Task;
}

export function emptySlot(index: number): Slot {
  return { index, tokens: [], cuts: [], task: undefined, left: undefined, usedMs: 0 };
}

/** Prefixes shorter than this are not worth giving up another slot's state. Tokens. */
const MIN_SHARED = 32;

/** The share of a slot's prompt that may be lost when another prompt takes over the rest. */
const MAX_LOST = 0.25;

/** As many tokens in a row hardly occur in two texts by chance. */
const TELLING_TOKENS = 16;

export interface Placement {
  readonly slot: Slot;
  /** Tokens of the slot to keep. */
  readonly keep: number;
  /** Another slot that holds them, to share from. */
  readonly donor?: Slot;
}

/** What is to be evaluated: the tokens, of which the first `promptLength` are the prompt. */
type Wanted = Pick<Task, "tokens" | "promptLength">;

/**
 * Where a task goes: the idle slot with the longest prefix it can use, if that slot holds little else, else the one unused
 * for longest, with a prefix shared from any other slot if that is longer. So conversations that only begin alike do not
 * take each other's state: a copy costs less than evaluating a block. At least the last token is always left to evaluate.
 */
export function place(slots: readonly Slot[], wanted: Wanted, block: number): Placement | undefined {
  const idle = slots.filter((slot) => slot.task === undefined);
  const oldest = idle.reduce<Slot | undefined>(
    (best, slot) => (best === undefined || slot.usedMs < best.usedMs ? slot : best),
    undefined,
  );
  if (oldest === undefined) return undefined;
  const any = longest(slots, wanted, block);
  const own = longest(idle, wanted, block);
  const losesLittle = lost(own.slot, wanted, own.length) <= Math.max(block, MAX_LOST * heldPrompt(own.slot));
  if (own.length >= MIN_SHARED && own.length >= any.length && losesLittle) return { slot: own.slot, keep: own.length };
  const keep = usable(oldest, wanted, block);
  if (any.length >= MIN_SHARED && any.length > keep) return { slot: oldest, keep: any.length, donor: any.slot };
  return { slot: oldest, keep };
}

/** The slot with the longest prefix that can be used, of several the one that loses least. @param slots at least one. */
function longest(slots: readonly Slot[], wanted: Wanted, block: number): { slot: Slot; length: number } {
  return slots
    .map((slot) => ({ slot, length: usable(slot, wanted, block) }))
    .reduce((best, each) => {
      if (each.length !== best.length) return each.length > best.length ? each : best;
      return lost(each.slot, wanted, each.length) < lost(best.slot, wanted, best.length) ? each : best;
    });
}

/** Tokens that could be used again. Those of an answer cannot: they were evaluated row by row. */
function heldPrompt({ cuts }: Slot): number {
  return cuts.at(-1) ?? 0;
}

/**
 * Tokens of the slot's prompt behind the first `shared` that are no part of the prompt wanted: of an earlier state of the
 * same text few, though somebody typed near its beginning.
 */
function lost(slot: Slot, { tokens, promptLength }: Wanted, shared: number): number {
  const held = heldPrompt(slot);
  for (let end = promptLength; end >= shared + TELLING_TOKENS; end -= 1) {
    let run = 0;
    while (run < Math.min(held, end) - shared && slot.tokens[held - 1 - run] === tokens[end - 1 - run]) run += 1;
    if (run >= TELLING_TOKENS) return held - shared - run;
  }
  return held - shared;
}

/** Length of the common beginning that was evaluated in the same blocks, less than all tokens. */
function usable({ tokens: held, cuts }: Slot, { tokens, promptLength }: Wanted, block: number): number {
  let length = 0;
  for (const cut of cuts) {
    if (length === promptLength || cut >= tokens.length || cut !== nextCut(length, promptLength, block)) return length;
    for (let at = length; at < cut; at += 1) if (held[at] !== tokens[at]) return length;
    length = cut;
  }
  return length;
}
