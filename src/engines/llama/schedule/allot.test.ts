import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allot, MOST_ROWS } from "./allot.ts";
import { type StepCost, USUAL_COST } from "./step-cost.ts";

const SURE = Array.from({ length: 100 }, () => 0.999);
const FREE: StepCost = { of: () => 1 };
const STEEP: StepCost = { of: (rows) => rows };

/** Tokens that an answer is expected to get of its first guesses. */
function expected(odds: readonly number[], count: number): number {
  return odds.slice(0, count).reduce(({ sum, chance }, each) => ({ sum: sum + chance * each, chance: chance * each }), {
    sum: 1,
    chance: 1,
  }).sum;
}

describe("guesses of a step", () => {
  test("are never more than there are or than a step takes, and nobody is expected to lose", () => {
    const odds = fc.array(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 70 }), {
      minLength: 1,
      maxLength: 9,
    });
    const costs = fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }));
    fc.assert(
      fc.property(odds, costs, fc.integer({ min: 0, max: 70 }), (answers, [slope, jump], more) => {
        const cost: StepCost = { of: (rows) => 1 + slope * rows + (rows > answers.length ? 3 * jump : 0) };
        const rows = answers.length + more;
        const counts = allot(answers, rows, cost);
        const all = counts.reduce((sum, count) => sum + count, 0);

        if (all === 0) return;
        expect(rows + all).toBeLessThanOrEqual(MOST_ROWS);
        const slower = cost.of(rows + all) / cost.of(rows);
        for (const [index, each] of answers.entries()) {
          expect(counts[index]).toBeLessThanOrEqual(each.length);
          expect(expected(each, counts[index] ?? 0)).toBeGreaterThanOrEqual(slower - 1e-9);
        }
      }),
    );
  });

  test("fill a step when they are sure, in whole groups of rows", () => {
    expect(allot([SURE], 1, USUAL_COST)).toEqual([MOST_ROWS - 1]);
    const [count = 0] = allot([[0.95, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.5, 0.5, 0.5]], 1, USUAL_COST);
    expect((1 + count) % 4).toBe(0);
    expect(count).toBeGreaterThan(0);
  });

  test("are none where they cost what they bring, or when they are doubtful", () => {
    expect(allot([SURE], 1, STEEP)).toEqual([0]);
    expect(allot([[0.3, 0.3, 0.3]], 1, USUAL_COST)).toEqual([0]);
    expect(allot([[]], 1, FREE)).toEqual([0]);
    expect(allot([], 0, FREE)).toEqual([]);
  });

  test("of one answer do not slow down another, which has none", () => {
    expect(allot([SURE, []], 2, USUAL_COST)).toEqual([0, 0]);
    expect(allot([SURE, []], 2, FREE)).toEqual([MOST_ROWS - 2, 0]);
  });

  test("are shared by answers that are as sure as each other", () => {
    const [first = 0, second = 0] = allot([SURE, SURE], 2, USUAL_COST);

    expect(Math.abs(first - second)).toBeLessThanOrEqual(1);
    expect(first + second).toBeGreaterThan(30);
  });
});
