import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ByteRange, bytesIn, cutIntoPieces, missingRanges, withRange } from "./ranges.ts";

const SIZE = 24;

/** Written ranges in any order, overlapping, empty, or touching: small numbers make them meet. */
const written = fc.array(
  fc.tuple(fc.nat(SIZE), fc.nat(SIZE)).map(([a, b]): ByteRange => ({ start: Math.min(a, b), end: Math.max(a, b) })),
  { maxLength: 8 },
);

/** The set as one flag per byte, which needs no clever arithmetic. */
function flagsOf(ranges: readonly ByteRange[]): boolean[] {
  return Array.from({ length: SIZE }, (_, byte) => ranges.some(({ start, end }) => start <= byte && byte < end));
}

function setOf(ranges: readonly ByteRange[]): readonly ByteRange[] {
  return ranges.reduce<readonly ByteRange[]>(withRange, []);
}

describe("whatever has been written, in whatever order", () => {
  test("the set holds exactly the written bytes, in the shortest list", () => {
    fc.assert(
      fc.property(written, (ranges) => {
        const set = setOf(ranges);

        expect(flagsOf(set)).toEqual(flagsOf(ranges));
        expect(bytesIn(set)).toBe(flagsOf(ranges).filter(Boolean).length);
        for (const [index, { start, end }] of set.entries()) {
          expect(start).toBeLessThan(end);
          expect(start).toBeGreaterThan(set[index - 1]?.end ?? -1);
        }
      }),
    );
  });

  test("the missing bytes are exactly the others, whatever the size", () => {
    fc.assert(
      fc.property(written, fc.nat(SIZE), (ranges, size) => {
        const flags = flagsOf(ranges);

        const missing = missingRanges(setOf(ranges), size);

        expect(flagsOf(missing)).toEqual(flags.map((isThere, byte) => !isThere && byte < size));
        expect(setOf(missing)).toEqual(missing);
      }),
    );
  });

  test("pieces are the same bytes, none too long, none empty", () => {
    fc.assert(
      fc.property(written, fc.integer({ min: 1, max: SIZE }), (ranges, pieceBytes) => {
        const missing = missingRanges(setOf(ranges), SIZE);

        const pieces = cutIntoPieces(missing, pieceBytes);

        expect(setOf(pieces)).toEqual(missing);
        expect(bytesIn(pieces)).toBe(bytesIn(missing));
        for (const { start, end } of pieces) {
          expect(end - start).toBeGreaterThan(0);
          expect(end - start).toBeLessThanOrEqual(pieceBytes);
        }
      }),
    );
  });

  test("cut at any points and resumed from what is missing, the file becomes whole and no byte comes twice", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(SIZE)), fc.integer({ min: 1, max: SIZE }), (cuts, pieceBytes) => {
        let set: readonly ByteRange[] = [];
        let fetched = 0;
        for (const cut of [...cuts, ...Array.from({ length: SIZE }, () => SIZE)]) {
          const [next] = cutIntoPieces(missingRanges(set, SIZE), pieceBytes);
          if (next === undefined) break;
          const arrived = { start: next.start, end: Math.min(next.end, next.start + cut) };
          fetched += arrived.end - arrived.start;
          set = withRange(set, arrived);
        }

        expect(set).toEqual([{ start: 0, end: SIZE }]);
        expect(fetched).toBe(SIZE);
      }),
    );
  });
});
