import fc from "fast-check";
import { expect, test } from "vitest";
import { MeasuredCost, USUAL_COST } from "./step-cost.ts";

const rows = fc.integer({ min: 1, max: 64 });

test("before anything was measured the cost is the usual one, and one row is the unit", () => {
  fc.assert(
    fc.property(rows, (count) => {
      expect(new MeasuredCost().of(count)).toBeCloseTo(USUAL_COST.of(count));
    }),
  );
  expect(USUAL_COST.of(1)).toBe(1);
  expect(USUAL_COST.of(128)).toBeGreaterThan(USUAL_COST.of(64));
});

test("more rows never cost less than is usual for fewer", () => {
  fc.assert(
    fc.property(rows, (count) => {
      expect(USUAL_COST.of(count + 1)).toBeGreaterThan(USUAL_COST.of(count));
    }),
  );
});

test("the cost of more rows is learned, whatever the speed of the machine", () => {
  for (const unitMs of [0.1, 20, 3_000]) {
    const cost = new MeasuredCost();
    for (let step = 0; step < 60; step += 1) {
      cost.observe(1, unitMs);
      cost.observe(8, 2 * unitMs);
    }

    expect(cost.of(1)).toBe(1);
    expect(cost.of(8)).toBeGreaterThan(1.9);
    expect(cost.of(8)).toBeLessThan(2.1);
    expect(cost.of(64)).toBeLessThan(0.5 * USUAL_COST.of(64)); // unknown, but likely to be as cheap
  }
});

test("a machine that becomes slower changes little of what more rows cost, in steps of one", () => {
  const cost = new MeasuredCost();
  for (let step = 0; step < 200; step += 1) {
    const slower = 1 + step / 50;
    cost.observe(1, 20 * slower);
    cost.observe(16, 20 * slower * USUAL_COST.of(16));
  }

  expect(cost.of(16) / USUAL_COST.of(16)).toBeGreaterThan(0.8);
  expect(cost.of(16) / USUAL_COST.of(16)).toBeLessThan(1.25);
});

test("one step that was held up changes little", () => {
  const cost = new MeasuredCost();
  cost.observe(1, 20);
  cost.observe(16, 100_000);

  expect(cost.of(16)).toBeLessThan(1.2 * USUAL_COST.of(16));
});

test("steps of no time, as under a clock that stands still, say nothing", () => {
  const cost = new MeasuredCost();
  cost.observe(1, 0);
  cost.observe(8, 0);

  expect(cost.of(8)).toBeCloseTo(USUAL_COST.of(8));
});

test("what was dear once is tried again: an old measurement fades", () => {
  const cost = new MeasuredCost();
  for (let step = 0; step < 20; step += 1) {
    cost.observe(1, 20);
    cost.observe(32, 20 * 3 * USUAL_COST.of(32));
  }
  const dear = cost.of(32);
  for (let step = 0; step < 2_000; step += 1) cost.observe(1, 20);

  expect(dear).toBeGreaterThan(2 * USUAL_COST.of(32));
  expect(cost.of(32)).toBeLessThan(1.3 * USUAL_COST.of(32));
});
