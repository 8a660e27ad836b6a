/** Many results as a few figures. */
import { KINDS } from "./infill-case.ts";
import type { Result } from "./run.ts";
import type { Score } from "./score.ts";

/** Shares are 0 … 1, of the cases to which the measure applies that were answered; absent where there is none. */
export interface Summary {
  /** "all" where they are mixed. */
  readonly kind: string;
  readonly language: string;
  readonly cases: number;
  /** Requests that failed; no other figure counts them. */
  readonly errors: number;
  readonly exact?: number;
  readonly firstLine?: number;
  readonly word?: number;
  readonly similarity?: number;
  readonly stops?: number;
  readonly repeats?: number;
  /** Share of answers with a control token in their text. */
  readonly leaked?: number;
  /** Share of executed programs that pass. */
  readonly passed?: number;
  readonly firstTokenMs?: { readonly median: number; readonly p90: number };
  /** Of answers of at least two tokens. Nine of ten are faster than `p10`. */
  readonly tokensPerSecond?: { readonly median: number; readonly p10: number };
}

const ALL = "all";

/** By kind and language, by kind, by language, and in total, in this order; only groups that have cases and are not another one. */
export function summaries(results: readonly Result[]): readonly Summary[] {
  const languages = namesOf(results.map(({ infill }) => infill.language).toSorted());
  const kinds = namesOf(KINDS.filter((kind) => results.some(({ infill }) => infill.kind === kind)));
  return kinds.flatMap((kind) =>
    languages.flatMap((language) => {
      const isIn = (name: string, group: string): boolean => group === ALL || name === group;
      const some = results.filter(({ infill }) => isIn(infill.kind, kind) && isIn(infill.language, language));
      return some.length === 0 ? [] : [{ kind, language, ...figuresOf(some) }];
    }),
  );
}

/** Each name once; where there are several, all of them together besides. */
function namesOf(names: readonly string[]): readonly string[] {
  const different = [...new Set(names)];
  return different.length > 1 ? [...different, ALL] : different;
}

function figuresOf(results: readonly Result[]): Omit<Summary, "kind" | "language"> {
  const answered = results.flatMap((result) => result.answered ?? []);
  const share = (value: (score: Score) => boolean | number | undefined): number | undefined =>
    mean(answered.flatMap(({ score }) => value(score) ?? []).map(Number));
  const firsts = answered.map(({ answer }) => answer.firstMs);
  const speeds = answered.flatMap(({ answer }) => {
    const elapsedMs = answer.lastMs - answer.firstMs;
    return answer.tokens > 1 && elapsedMs > 0 ? [(1_000 * (answer.tokens - 1)) / elapsedMs] : [];
  });
  return {
    cases: results.length,
    errors: results.length - answered.length,
    ...present({
      exact: share(({ exact }) => exact),
      firstLine: share(({ firstLine }) => firstLine),
      word: share(({ word }) => word),
      similarity: share((score) => score.similarity),
      stops: share(({ stops }) => stops),
      repeats: share(({ repeats }) => repeats),
      leaked: share(({ leaked }) => leaked.length > 0),
      passed: mean(answered.flatMap(({ passed }) => passed ?? []).map(Number)),
      firstTokenMs: firsts.length === 0 ? undefined : { median: quantile(firsts, 0.5), p90: quantile(firsts, 0.9) },
      tokensPerSecond: speeds.length === 0 ? undefined : { median: quantile(speeds, 0.5), p10: quantile(speeds, 0.1) },
    }),
  };
}

/** Cases that two styles answer differently, in the order of the first; those that either did not answer are left out. */
export function differing(some: readonly Result[], others: readonly Result[]): { compared: number; ids: string[] } {
  const texts = new Map(
    others.flatMap(({ infill, answered }) => (answered ? [[infill.id, answered.answer.text]] : [])),
  );
  const pairs = some.flatMap(({ infill, answered }) => {
    const other = texts.get(infill.id);
    return answered === undefined || other === undefined
      ? []
      : [{ id: infill.id, isSame: answered.answer.text === other }];
  });
  return { compared: pairs.length, ids: pairs.filter(({ isSame }) => !isSame).map(({ id }) => id) };
}

function mean(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The nearest value. @param share 0 … 1 @param values at least one */
function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN;
}

/** Without the fields that are undefined. */
function present<Fields extends object>(fields: Fields): { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> };
}
