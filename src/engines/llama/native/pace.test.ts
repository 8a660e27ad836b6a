import fc from "fast-check";
import { expect, test } from "vitest";
import { Pace } from "./pace.ts";

test("nothing is expected before anything was measured", () => {
  expect(new Pace().expectedMs(1)).toBeUndefined();
});

test("a size that was measured is expected to take what it took lately", () => {
  const pace = new Pace();
  for (let step = 0; step < 40; step += 1) pace.observe(1, 20);
  for (let step = 0; step < 40; step += 1) pace.observe(100, 900);

  expect(pace.expectedMs(1)).toBeCloseTo(20);
  expect(pace.expectedMs(128)).toBeCloseTo(900);
});

test("one that was not is expected to take as much more as it has more rows, and no less than a smaller one", () => {
  const pace = new Pace();
  pace.observe(4, 10);

  expect([1, 4, 8, 512].map((rows) => pace.expectedMs(rows))).toEqual([10, 10, 20, 1280]);
});

test("what is expected lies between the shortest and the longest that were measured, for sizes that were", () => {
  const step = fc.record({ rows: fc.integer({ min: 1, max: 576 }), ms: fc.integer({ min: 1, max: 1_000 }) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1 }), (steps) => {
      const pace = new Pace();
      for (const { rows, ms } of steps) pace.observe(rows, ms);
      const times = steps.map(({ ms }) => ms);
      for (const { rows } of steps) {
        expect(pace.expectedMs(rows)).toBeGreaterThanOrEqual(Math.min(...times) - 1e-6);
        expect(pace.expectedMs(rows)).toBeLessThanOrEqual(Math.max(...times) + 1e-6);
      }
    }),
  );
});
