/** What an evaluation found, for people and for programs. */
import type { Setting, Style } from "./request.ts";
import type { Result } from "./run.ts";
import { differing, summaries } from "./summary.ts";
import { markdownTable } from "./table.ts";

/** The results of one setting; at least one. */
type Results = readonly Result[];

/** What the requests of a table have in common. */
export function settingName({ style, order, healing }: Setting): string {
  const styles = {
    prompt: `markers in the prompt, ${order.toUpperCase()}`,
    suffix: "suffix field",
    raw: "prefix only, raw",
  };
  return `${styles[style]}, ${healingName(healing)}`;
}

/** How much of an evaluation a report is about. */
export interface Extent {
  readonly done: number;
  readonly total: number;
}

/** A table for every setting, then how far both ways of asking agree, then what failed. */
export function reportText(model: string, runs: readonly Results[], { done, total }: Extent): string {
  const tables = settingsOf(runs).map(
    ({ setting, results }) => `${settingName(setting)}:\n\n${markdownTable(summaries(results))}`,
  );
  const agreements = agreementsOf(runs).map(({ healing, compared, ids }) => {
    const which = ids.length > 0 ? `: ${ids.join(", ")}` : "";
    return `Markers and suffix field, ${healing}: ${ids.length} of ${compared} answers differ${which}\n`;
  });
  const failures = failuresOf(runs).map(({ id, error }) => `${id} failed: ${error}\n`);
  const partial = done < total ? `PARTIAL: ${done} of ${total} requests were answered before it was stopped\n` : "";
  return [`${model}\n`, partial, ...tables, agreements.join(""), failures.join("")]
    .filter((part) => part !== "")
    .join("\n");
}

export function reportJson(model: string, runs: readonly Results[], { done, total }: Extent): string {
  const settings = settingsOf(runs).map(({ setting, results }) => ({
    ...setting,
    healing: setting.healing ?? "default",
    summaries: summaries(results),
  }));
  const extent = { complete: done === total, done, total };
  const figures = { model, ...extent, settings, agreements: agreementsOf(runs), failures: failuresOf(runs) };
  return `${JSON.stringify(figures, null, 2)}\n`;
}

function settingsOf(runs: readonly Results[]): readonly { readonly setting: Setting; readonly results: Results }[] {
  return runs.flatMap((results) => results.slice(0, 1).map(({ setting }) => ({ setting, results })));
}

interface Agreement {
  readonly healing: string;
  readonly compared: number;
  /** Of the cases whose answers differ. */
  readonly ids: readonly string[];
}

/** Markers and the `suffix` field mean the same, so their answers have to be the same. */
function agreementsOf(runs: readonly Results[]): readonly Agreement[] {
  const settings = settingsOf(runs);
  const asked = (style: Style) => settings.filter(({ setting }) => setting.style === style);
  return asked("prompt").flatMap(({ setting: { healing }, results }) => {
    const others = asked("suffix").find(({ setting }) => setting.healing === healing)?.results;
    return others === undefined ? [] : [{ healing: healingName(healing), ...differing(results, others) }];
  });
}

function failuresOf(runs: readonly Results[]): readonly { readonly id: string; readonly error: string }[] {
  return runs.flat().flatMap(({ infill, error }) => (error === undefined ? [] : [{ id: infill.id, error }]));
}

function healingName(healing: boolean | undefined): string {
  return { undefined: "the model's healing", true: "healing on", false: "healing off" }[`${healing}`];
}
