/** All cases in all settings, one setting after another, and what is known of them at any moment. */
import type { InfillCase } from "./infill-case.ts";
import type { Setting } from "./request.ts";
import { type Check, type Complete, type Result, runCases } from "./run.ts";

export interface EvaluationOptions {
  readonly cases: readonly InfillCase[];
  readonly settings: readonly Setting[];
  /** Requests at the same time. */
  readonly concurrency: number;
  readonly complete: Complete;
  readonly check?: Check;
  /** What an earlier run has found: it is not asked again. */
  readonly earlier: readonly Result[];
  /** Hears each new result as it comes. What it throws ends the evaluation. */
  readonly record: (result: Result) => void;
}

/** How far an evaluation is. */
export interface State {
  /** The setting that is asked at this moment. */
  readonly setting: Setting | undefined;
  /** Of it: results, and the share of exact answers among them, 0 … 1. */
  readonly results: number;
  readonly exact: number | undefined;
  readonly cases: number;
  /** Of all settings. */
  readonly done: number;
  readonly total: number;
  /** Results of an earlier run among those done. */
  readonly earlier: number;
}

export class Evaluation {
  readonly #options: EvaluationOptions;
  /** By setting, then by case. */
  readonly #results: Map<Setting, Map<InfillCase, Result>>;
  #setting: Setting | undefined;

  constructor(options: EvaluationOptions) {
    this.#options = options;
    this.#results = new Map(options.settings.map((setting) => [setting, new Map()]));
    for (const result of options.earlier) this.#results.get(result.setting)?.set(result.infill, result);
  }

  /**
   * Asks what is not known yet.
   *
   * @param refused is told why a setting cannot be asked at all, and throws
   */
  async run(refused: (setting: Setting, reason: string) => never, signal: AbortSignal): Promise<void> {
    const { concurrency, complete, check, record } = this.#options;
    for (const [setting, known] of this.#results) {
      const cases = this.#options.cases.filter((infill) => !known.has(infill));
      const [first] = cases;
      if (first === undefined) continue;
      this.#setting = setting;
      await this.#tryOut(first, setting, refused, signal);
      const report = (result: Result): void => {
        known.set(result.infill, result);
        record(result);
      };
      await runCases({ cases, setting, concurrency, complete, report, ...(check && { check }) }, signal);
    }
  }

  /** Results of each setting that has any, in the order of the cases. */
  get runs(): readonly (readonly Result[])[] {
    const { cases } = this.#options;
    return [...this.#results.values()]
      .map((known) => cases.flatMap((infill) => known.get(infill) ?? []))
      .filter((results) => results.length > 0);
  }

  get state(): State {
    const current = this.#setting === undefined ? undefined : this.#results.get(this.#setting);
    const known = [...(current?.values() ?? [])];
    const exact = known.filter(({ answered }) => answered?.score.exact === true).length;
    const { cases, settings, earlier } = this.#options;
    return {
      setting: this.#setting,
      results: known.length,
      exact: known.length === 0 ? undefined : exact / known.length,
      cases: cases.length,
      done: [...this.#results.values()].reduce((sum, results) => sum + results.size, 0),
      total: cases.length * settings.length,
      earlier: earlier.length,
    };
  }

  /** A request for nothing, so that loading is not measured, and what is refused always is refused once. */
  async #tryOut(
    infill: InfillCase,
    setting: Setting,
    refused: (setting: Setting, reason: string) => never,
    signal: AbortSignal,
  ): Promise<void> {
    const { complete } = this.#options;
    const trial = { cases: [infill], setting: { ...setting, maxTokens: 1 }, concurrency: 1, complete };
    for (const { error } of await runCases(trial, signal)) if (error !== undefined) refused(setting, error);
  }
}
