import fc from "fast-check";
import { expect, test } from "vitest";
import { Hedging } from "./hedge.ts";

test("extra requests are never more than their share and a burst of five", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.001, max: 1, noNaN: true }),
      fc.array(fc.boolean(), { maxLength: 300 }),
      (share, slow) => {
        const hedging = new Hedging({ after: { ms: 1 }, share });
        let extra = 0;
        for (const [index, isSlow] of slow.entries()) {
          hedging.earn();
          if (isSlow && hedging.spend()) extra += 1;
          expect(extra).toBeLessThanOrEqual(5 + share * (index + 1) + 1e-6);
        }
      },
    ),
  );
});

test("a percentile is that of the latest 200 times, and there is none of fewer than twenty", () => {
  const hedging = new Hedging({ after: { percentile: 95 }, share: 1 });
  for (let ms = 1; ms < 20; ms += 1) hedging.measured(ms);
  expect(hedging.delayMs).toBeUndefined();
  hedging.measured(20);
  expect(hedging.delayMs).toBe(19);
  for (let ms = 1; ms <= 200; ms += 1) hedging.measured(1000 + ms);
  expect(hedging.delayMs).toBe(1190);
});
