/** How commands print what there is: tables for people, JSON for programs. */
import { oneLine } from "../visible.ts";

export function jsonText(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** Columns of equal width, two blanks apart, nothing behind the last. */
export function aligned(texts: readonly (readonly string[])[]): string {
  const rows = texts.map((row) => row.map(oneLine));
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lineOf = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  return rows.map((row) => `${lineOf(row)}\n`).join("");
}

/** To the minute, in UTC; a dash where there is no instant. */
export function instantText(epochMs: number | undefined): string {
  return epochMs === undefined ? "-" : `${new Date(epochMs).toISOString().slice(0, 16).replace("T", " ")}`;
}
