import type { CodePoints } from "../code-points.ts";

/** What a rule of a grammar describes. */
export type Expression =
  /** One character of these: sorted, each once, at least one. */
  | { readonly kind: "character"; readonly of: readonly CodePoints[] }
  | { readonly kind: "rule"; readonly name: string }
  | { readonly kind: "sequence"; readonly items: readonly Expression[] }
  | { readonly kind: "choice"; readonly options: readonly Expression[] }
  | { readonly kind: "repeat"; readonly item: Expression; readonly min: number; readonly max: number };

export interface Rule {
  readonly name: string;
  readonly body: Expression;
}

/** What is wrong with a grammar, and where; the message is for the author of the grammar. */
export class GrammarError extends Error {
  override readonly name = "GrammarError";
}
