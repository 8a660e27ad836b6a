import fc from "fast-check";
import { expect, test } from "vitest";
import { Acceptance } from "./acceptance.ts";

const footings = fc.record({
  match: fc.integer({ min: 0, max: 16 }),
  isResumed: fc.boolean(),
  isContested: fc.boolean(),
});

test("before anything was seen a longer agreement is worth no less", () => {
  const acceptance = new Acceptance();
  for (const isResumed of [false, true]) {
    const odds = Array.from({ length: 17 }, (_, match) => acceptance.odds({ match, isResumed, isContested: false }));

    expect(odds).toEqual(odds.toSorted((a, b) => a - b));
  }
});

test("the odds follow what is seen and stay odds", () => {
  fc.assert(
    fc.property(footings, fc.array(fc.boolean(), { maxLength: 50 }), (footing, before) => {
      const acceptance = new Acceptance();
      for (const isHit of before) acceptance.observe(footing, isHit);
      expect(acceptance.odds(footing)).toBeGreaterThan(0);
      expect(acceptance.odds(footing)).toBeLessThan(1);

      for (let count = 0; count < 60; count += 1) acceptance.observe(footing, false);
      expect(acceptance.odds(footing)).toBeLessThan(0.1);
      for (let count = 0; count < 60; count += 1) acceptance.observe(footing, true);
      expect(acceptance.odds(footing)).toBeGreaterThan(0.9);
    }),
  );
});

test("what is seen behind a short agreement says nothing of a long one", () => {
  const acceptance = new Acceptance();
  const long = { match: 16, isResumed: false, isContested: false };
  const before = acceptance.odds(long);
  for (let count = 0; count < 60; count += 1)
    acceptance.observe({ match: 2, isResumed: false, isContested: false }, false);

  expect(acceptance.odds(long)).toBe(before);
});
