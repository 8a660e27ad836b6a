/** Figures as a Markdown table. */
import type { Summary } from "./summary.ts";

/** Columns that no row has a figure for are left out. */
const COLUMNS: readonly { readonly title: string; readonly cell: (summary: Summary) => string | undefined }[] = [
  { title: "kind", cell: ({ kind }) => kind },
  { title: "language", cell: ({ language }) => language },
  { title: "cases", cell: ({ cases }) => String(cases) },
  { title: "exact", cell: ({ exact }) => percent(exact) },
  { title: "first line", cell: ({ firstLine }) => percent(firstLine) },
  { title: "word", cell: ({ word }) => percent(word) },
  { title: "similarity", cell: ({ similarity }) => percent(similarity) },
  { title: "stops", cell: ({ stops }) => percent(stops) },
  { title: "repeats suffix", cell: ({ repeats }) => percent(repeats) },
  { title: "leaks tokens", cell: ({ leaked }) => percent(leaked) },
  { title: "passes", cell: ({ passed }) => percent(passed) },
  { title: "errors", cell: ({ errors }) => String(errors) },
  {
    title: "first token ms (p90)",
    cell: ({ firstTokenMs: time }) => time && `${whole(time.median)} (${whole(time.p90)})`,
  },
  {
    title: "tokens/s (p10)",
    cell: ({ tokensPerSecond: speed }) => speed && `${whole(speed.median)} (${whole(speed.p10)})`,
  },
];

const NAMES = 2; // the columns that are no numbers

export function markdownTable(summaries: readonly Summary[]): string {
  const columns = COLUMNS.map(({ title, cell }) => ({ title, cells: summaries.map((summary) => cell(summary)) }))
    .filter(({ cells }) => cells.some((text) => text !== undefined))
    .map(({ title, cells }) => [title, ...cells.map((text) => text ?? "–")]);
  const widths = columns.map((texts) => Math.max(3, ...texts.map((text) => text.length)));
  const line = (row: number): string =>
    lineOf(
      columns.map((texts) => texts[row] ?? ""),
      widths,
      " ",
    );
  const rule = lineOf(
    widths.map((width, index) => (index < NAMES ? "-".repeat(width) : `${"-".repeat(width - 1)}:`)),
    widths,
    "-",
  );
  return [line(0), rule, ...summaries.map((_, index) => line(index + 1)), ""].join("\n");
}

function lineOf(cells: readonly string[], widths: readonly number[], filler: string): string {
  const padded = cells.map((text, index) =>
    index < NAMES ? text.padEnd(widths[index] ?? 0, filler) : text.padStart(widths[index] ?? 0, filler),
  );
  return `| ${padded.join(" | ")} |`;
}

function percent(share: number | undefined): string | undefined {
  return share === undefined ? undefined : `${(100 * share).toFixed(1)} %`;
}

function whole(value: number): string {
  return value.toFixed(0);
}
