/**
 * What an answer promises about the prompt that it continues, the strongest first.
 *
 * - `exact`: the engine got the tokens that the embedded engine would be given for these weights.
 * - `native`: the engine got text, messages or a suffix, in a way of its own that it documents for this; which tokens it
 *   makes of them is its own affair.
 * - `emulated`: the engine was asked by an instruction, and its answer was cleaned up.
 */
const GUARANTEES = ["exact", "native", "emulated"] as const;

export type Guarantee = (typeof GUARANTEES)[number];

/**
 * An answer that was not to be asked for by instruction would be. Between `exact` and `native` nothing breaks: the weights
 * are given the same text either way, and an answer that ends with an error helps nobody.
 */
export function breaksPromise(guarantee: Guarantee | undefined, promised: Guarantee | undefined): boolean {
  return guarantee === "emulated" && promised !== undefined && promised !== "emulated";
}

/** The weakest that all of them keep; undefined: one of them promises nothing. */
export function weakest(guarantees: readonly (Guarantee | undefined)[]): Guarantee | undefined {
  return guarantees.reduce((worst, each) =>
    worst === undefined || each === undefined ? undefined : rank(each) > rank(worst) ? each : worst,
  );
}

function rank(guarantee: Guarantee): number {
  return GUARANTEES.indexOf(guarantee);
}
