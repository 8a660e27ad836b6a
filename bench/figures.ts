/** Repeated measurements as people read them: medians, spreads, Markdown tables. */

export interface Column {
  readonly title: string;
  readonly isNumber: boolean;
}

/** NaN without values. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Linear between the two nearest values; NaN without values. @param share 0 … 1 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const [low = Number.NaN, high = Number.NaN] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return low + (high - low) * (at - Math.floor(at));
}

/** Median, and in brackets the smallest and largest; three significant digits. */
export function spread(values: readonly number[]): string {
  if (values.length === 0) return "–";
  const middle = median(values);
  if (values.length === 1) return digits(middle);
  return `${digits(middle)} (${digits(Math.min(...values), middle)}–${digits(Math.max(...values), middle)})`;
}

/** Three significant digits of numbers the size of `like`, never an exponent. */
export function digits(value: number, like: number = value): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(like);
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  return value.toFixed(size >= 1 ? 2 : 3);
}

/** Ready to paste: columns as wide as their widest cell, numbers to the right, as the formatter writes them. */
export function markdownTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map(({ title }, index) =>
    Math.max(3, title.length, ...rows.map((row) => (row[index] ?? "").length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${columns.map(({ isNumber }, index) => pad(cells[index] ?? "", widths[index] ?? 0, isNumber)).join(" | ")} |`;
  const rule = columns.map(({ isNumber }, index) => {
    const width = widths[index] ?? 0;
    return isNumber ? `${"-".repeat(width - 1)}:` : "-".repeat(width);
  });
  return [line(columns.map(({ title }) => title)), line(rule), ...rows.map(line)].map((text) => `${text}\n`).join("");
}

function pad(text: string, width: number, isNumber: boolean): string {
  return isNumber ? text.padStart(width) : text.padEnd(width);
}
