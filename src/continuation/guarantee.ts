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

/** Who promises nothing is compared with nothing. */
export function isWeaker(guarantee: Guarantee | undefined, than: Guarantee | undefined): boolean {
  if (guarantee === undefined || than === undefined) return false;
  return GUARANTEES.indexOf(guarantee) > GUARANTEES.indexOf(than);
}

/** The weakest that all of them keep; undefined: one of them promises nothing. */
export function weakest(guarantees: readonly (Guarantee | undefined)[]): Guarantee | undefined {
  return guarantees.reduce((worst, each) =>
    worst === undefined || each === undefined ? undefined : isWeaker(each, worst) ? each : worst,
  );
}
