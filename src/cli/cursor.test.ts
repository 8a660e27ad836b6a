import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseCursor, splitAtCursor } from "./cursor.ts";

describe("a place is written FILE:LINE:COLUMN", () => {
  test.each([
    ["src/app.py:12:5", { file: "src/app.py", line: 12, column: 5 }],
    ["src/app.py:12", { file: "src/app.py", line: 12 }],
    ["C:\\app.py:1:2", { file: "C:\\app.py", line: 1, column: 2 }],
    ["odd:3:name:1:2", { file: "odd:3:name", line: 1, column: 2 }],
    ["12:5", { file: "12", line: 5 }],
  ])("%s", (text, cursor) => {
    expect(parseCursor(text)).toEqual(cursor);
  });

  test.each(["src/app.py", ":1:2", "src/app.py:", "src/app.py:a:b", ""])("%s is refused with an example", (text) => {
    expect(() => parseCursor(text)).toThrow(/expected FILE:LINE:COLUMN, such as src\/app\.py:12:5, found/);
  });
});

describe("a cursor cuts the source in two", () => {
  const at = (source: string, line: number, column?: number) =>
    splitAtCursor(source, { file: "f", line, ...(column === undefined ? {} : { column }) });

  test.each([
    ["before the first character", "ab\ncd\n", 1, 1, "", "ab\ncd\n"],
    ["in a line", "ab\ncd\n", 2, 2, "ab\nc", "d\n"],
    ["after the last character of a line", "ab\ncd\n", 1, 3, "ab", "\ncd\n"],
    ["without a column, at the end of the line", "ab\ncd\n", 1, undefined, "ab", "\ncd\n"],
    ["on the empty line after the last newline", "ab\n", 2, 1, "ab\n", ""],
    ["before the carriage return, never inside \\r\\n", "ab\r\ncd", 1, 3, "ab", "\r\ncd"],
    ["in an empty file", "", 1, 1, "", ""],
    ["after a character of two UTF-16 units", "a😀b", 1, 3, "a😀", "b"],
    ["columns count characters, not bytes", "春天来了", 1, 3, "春天", "来了"],
  ])("%s", (_name, source, line, column, prefix, suffix) => {
    expect(at(source, line, column)).toEqual({ prefix, suffix });
  });

  test.each([
    ["a line too far", "ab\ncd", 3, 1, "f has 2 lines, so there is no line 3"],
    ["line 0", "ab", 0, 1, "f has 1 line, so there is no line 0"],
    ["a column too far", "ab\r\ncd", 1, 4, "line 1 of f has 2 characters; the column must be 1 to 3, found 4"],
    ["column 0", "a", 1, 0, "line 1 of f has 1 character; the column must be 1 to 2, found 0"],
  ])("%s is refused with what there is", (_name, source, line, column, message) => {
    expect(() => at(source, line, column)).toThrow(message);
  });

  test("for every place of every text the halves join to the source, and the cut is where it was asked for", () => {
    const lines = fc.array(fc.array(fc.constantFrom("a", "\t", "é", "春", "😀", "\r"), { maxLength: 4 }), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(lines, fc.nat(), fc.nat(), (cells, lineSeed, columnSeed) => {
        // A carriage return right before a newline belongs to the line end, so it is no column.
        const rows = cells.map((row) => row.join("").replace(/\r+$/, ""));
        const source = rows.join("\n");
        const line = 1 + (lineSeed % rows.length);
        const row = Array.from(rows[line - 1] ?? "");
        const column = 1 + (columnSeed % (row.length + 1));

        const { prefix, suffix } = at(source, line, column);

        expect(prefix + suffix).toBe(source);
        expect(prefix).toBe([...rows.slice(0, line - 1), row.slice(0, column - 1).join("")].join("\n"));
      }),
    );
  });
});
