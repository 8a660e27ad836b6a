/** What happens at a place of a rule. */
export const Op = {
  /** One character of set `first`, then the place `next`. */
  character: 0,
  /** The rule `first`, then the place `next`. */
  rule: 1,
  /** The place `first` or the place `next`. */
  either: 2,
  /** The end of the rule. */
  end: 3,
} as const;

/** A grammar as places to be at: what may come next from each of them. */
export interface Program {
  /** By place. */
  readonly ops: Uint8Array;
  readonly first: Int32Array;
  readonly next: Int32Array;
  readonly ruleOf: Int32Array;
  /** Sets of characters: both ends of each range, in order. */
  readonly sets: readonly Int32Array[];
  /** By rule. */
  readonly names: readonly string[];
  readonly entries: Int32Array;
  readonly mayBeEmpty: Uint8Array;
  /** A rule that begins with another one has the lower rank. */
  readonly ranks: Int32Array;
  readonly root: number;
}
