import { CommandFailure, EXIT } from "./failure.ts";

/** A place in a file, as editors and compilers print it. */
export interface Cursor {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** Characters (Unicode code points) from 1; the cursor stands before this one. Absent: the end of the line. */
  readonly column?: number;
}

/** `FILE:LINE:COLUMN` or `FILE:LINE`. Throws `CommandFailure` for anything else. */
export function parseCursor(text: string): Cursor {
  const withColumn = /^([^:].*?):(\d+):(\d+)$/s.exec(text);
  if (withColumn !== null) {
    const [, file = "", line, column] = withColumn;
    return { file, line: Number(line), column: Number(column) };
  }
  const withLine = /^([^:].*):(\d+)$/s.exec(text);
  if (withLine !== null) return { file: withLine[1] ?? "", line: Number(withLine[2]) };
  throw new CommandFailure(`expected FILE:LINE:COLUMN, such as src/app.py:12:5, found "${text}"`, EXIT.usage);
}

/**
 * The text before and after a cursor; joined, they are the source.
 *
 * Lines end with `\n` or `\r\n`, which do not belong to them: the last column of a line is the one before its end.
 *
 * @throws CommandFailure for a place the source does not have, naming the ones it has.
 */
export function splitAtCursor(source: string, { file, line, column }: Cursor): { prefix: string; suffix: string } {
  const start = lineStart(source, line);
  if (start === undefined) {
    const lines = source.split("\n").length;
    throw new CommandFailure(`${file} has ${counted(lines, "line")}, so there is no line ${line}`, EXIT.usage);
  }
  const newline = source.indexOf("\n", start);
  const text = source.slice(start, newline < 0 ? undefined : newline).replace(/\r$/, "");
  const at = start + (column === undefined ? text.length : columnOffset(text, column, `line ${line} of ${file}`));
  return { prefix: source.slice(0, at), suffix: source.slice(at) };
}

/** UTF-16 offset of a line's first character; undefined beyond the last line. */
function lineStart(source: string, line: number): number | undefined {
  if (line < 1) return undefined;
  let start = 0;
  for (let passed = 1; passed < line; passed++) {
    const newline = source.indexOf("\n", start);
    if (newline < 0) return undefined;
    start = newline + 1;
  }
  return start;
}

/** UTF-16 offset within the line of the character that `column` counts to. */
function columnOffset(text: string, column: number, where: string): number {
  const characters = Array.from(text);
  if (column >= 1 && column <= characters.length + 1) return characters.slice(0, column - 1).join("").length;
  const message = `${where} has ${counted(characters.length, "character")}; the column must be 1 to ${characters.length + 1}, found ${column}`;
  throw new CommandFailure(message, EXIT.usage);
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
