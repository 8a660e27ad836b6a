import type { Task } from "./task.ts";

/** One sequence of the context: what it holds, and for whom. */
export interface Slot {
  readonly index: number;
  /** Tokens whose state the sequence holds, from position 0. */
  readonly tokens: number[];
  task: Task | undefined;
  usedMs: number;
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

/**
 * Where a prompt goes: the idle slot with the longest common prefix, else the one unused for longest,
 * with a prefix shared from any other slot if that is longer. At least the last token is always left to evaluate.
 */
export function place(slots: readonly Slot[], tokens: readonly number[]): Placement | undefined {
  const idle = slots.filter((slot) => slot.task === undefined);
  const oldest = idle.reduce<Slot | undefined>(
    (best, slot) => (best === undefined || slot.usedMs < best.usedMs ? slot : best),
    undefined,
  );
  if (oldest === undefined) return undefined;
  const own = longest(idle, tokens);
  const any = longest(slots, tokens);
  if (own.length >= MIN_SHARED && own.length >= any.length) return { slot: own.slot ?? oldest, keep: own.length };
  if (any.length >= MIN_SHARED && any.slot !== undefined) return { slot: oldest, keep: any.length, donor: any.slot };
  return { slot: oldest, keep: commonPrefix(oldest.tokens, tokens) };
}

function longest(slots: readonly Slot[], tokens: readonly number[]): { slot?: Slot; length: number } {
  let best: { slot?: Slot; length: number } = { length: 0 };
  for (const slot of slots) {
    const length = commonPrefix(slot.tokens, tokens);
    if (length > best.length) best = { slot, length };
  }
  return best;
}

/** Length of the common beginning, less than all of `tokens`. */
function commonPrefix(held: readonly number[], tokens: readonly number[]): number {
  const max = Math.min(held.length, tokens.length - 1);
  let length = 0;
  while (length < max && held[length] === tokens[length]) length += 1;
  return length;
}
