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

export function emptySlot(index: number): Slot {
  return { index, tokens: [], cuts: [], task: undefined, left: undefined, usedMs: 0 };
}

/** Prefixes shorter than this are not worth giving up another slot's state. Tokens. */
const MIN_SHARED = 32;

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
 * Where a task goes: the idle slot with the longest prefix it can use, else the one unused for longest, with a prefix shared
 * from any other slot if that is longer. At least the last token is always left to evaluate.
 */
export function place(slots: readonly Slot[], wanted: Wanted, block: number): Placement | undefined {
  const idle = slots.filter((slot) => slot.task === undefined);
  const oldest = idle.reduce<Slot | undefined>(
    (best, slot) => (best === undefined || slot.usedMs < best.usedMs ? slot : best),
    undefined,
  );
  if (oldest === undefined) return undefined;
  const own = longest(idle, wanted, block);
  const any = longest(slots, wanted, block);
  if (own.length >= MIN_SHARED && own.length >= any.length) return { slot: own.slot ?? oldest, keep: own.length };
  if (any.length >= MIN_SHARED && any.slot !== undefined) return { slot: oldest, keep: any.length, donor: any.slot };
  return { slot: oldest, keep: usable(oldest, wanted, block) };
}

function longest(slots: readonly Slot[], wanted: Wanted, block: number): { slot?: Slot; length: number } {
  let best: { slot?: Slot; length: number } = { length: 0 };
  for (const slot of slots) {
    const length = usable(slot, wanted, block);
    if (length > best.length) best = { slot, length };
  }
  return best;
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
