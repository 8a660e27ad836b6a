import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { aroundCursor } from "./around-cursor.ts";

const text = fc.string({ unit: fc.constantFrom("a", "b", "\n", "春", "😀"), maxLength: 60 });
const bytes = (...texts: readonly string[]) => texts.reduce((sum, each) => sum + Buffer.byteLength(each), 0);

describe("the text next to a cursor", () => {
  test("is a piece of the text around it, of whole characters, within the budget; all of it where it fits", () => {
    fc.assert(
      fc.property(text, text, fc.nat(200), (prefix, suffix, budget) => {
        const kept = aroundCursor({ prefix, suffix }, budget);

        expect(prefix.endsWith(kept.prefix)).toBe(true);
        expect(suffix.startsWith(kept.suffix)).toBe(true);
        expect(bytes(kept.prefix, kept.suffix)).toBeLessThanOrEqual(budget);
        expect(`${kept.prefix}${kept.suffix}`).not.toMatch(/[\ud800-\udfff]/u);
        if (bytes(prefix, suffix) <= budget) expect(kept).toMatchObject({ prefix, suffix });
      }),
    );
  });

  test("is of whole lines, and what was left out is counted", () => {
    fc.assert(
      fc.property(text, text, fc.nat(200), (prefix, suffix, budget) => {
        const { leftOut, ...kept } = aroundCursor({ prefix, suffix }, budget);
        const before = prefix.slice(0, prefix.length - kept.prefix.length);
        const after = suffix.slice(kept.suffix.length);

        if (!leftOut.isLineCut) {
          expect(before === "" || before.endsWith("\n")).toBe(true);
          expect(after === "" || kept.suffix.endsWith("\n")).toBe(true);
        }
        expect(before.split("\n").length - 1).toBe(leftOut.linesBefore);
        expect(after.split("\n").length - 1).toBe(leftOut.linesAfter);
      }),
    );
  });

  test("has three quarters before the cursor, and what one side does not need is the other's", () => {
    const lines = "1234567\n".repeat(100);

    expect(aroundCursor({ prefix: lines, suffix: lines }, 320)).toEqual({
      prefix: "1234567\n".repeat(30),
      suffix: "1234567\n".repeat(10),
      leftOut: { linesBefore: 70, linesAfter: 90, isLineCut: false },
    });
    expect(aroundCursor({ prefix: "12\n", suffix: lines }, 323).suffix).toHaveLength(320);
    expect(aroundCursor({ prefix: lines, suffix: "" }, 320).prefix).toHaveLength(320);
  });

  test("cuts the line next to the cursor only where that is too long", () => {
    expect(aroundCursor({ prefix: `one\n${"x".repeat(99)}\n`, suffix: "" }, 40)).toMatchObject({
      prefix: `${"x".repeat(39)}\n`,
      leftOut: { linesBefore: 1, linesAfter: 0, isLineCut: true },
    });
    expect(aroundCursor({ prefix: `one\n${"x".repeat(100)}`, suffix: "\n" }, 40)).toMatchObject({
      prefix: "x".repeat(39),
      suffix: "\n",
      leftOut: { linesBefore: 1, linesAfter: 0, isLineCut: true },
    });
  });
});
