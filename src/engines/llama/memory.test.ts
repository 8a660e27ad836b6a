import { expect, test } from "vitest";
import { assertFits, fittingSlotTokens, footprint } from "./memory.ts";

/** Of the shape of Qwen2.5-Coder-0.5B in Q8_0. */
const FACTS = {
  vocabularySize: 151_936,
  trainedTokens: 32_768,
  weightBytes: 525_120_000,
  cacheBytesPerToken: 12_288,
  activationFloats: 13_312,
  controls: {},
  sampling: {},
};
const OPTIONS = { slots: 4, deterministic: false, queueLimit: 1 };
const MIB = 2 ** 20;

test("weights, cache of all slots, and the rest make the whole", () => {
  const { weights, cache, rest, total } = footprint(FACTS, 4, 2048);

  expect(weights).toBe(525_120_000);
  expect(cache).toBe(4 * 2048 * 12_288);
  expect(total).toBe(weights + cache + rest);
  expect(rest / MIB).toBeGreaterThan(150);
  expect(rest / MIB).toBeLessThan(250);
});

test("cells of a cache come in blocks of 256", () => {
  expect(footprint(FACTS, 2, 300).cache).toBe(2 * 512 * 12_288);
});

test("slots hold what is configured, else 8192 tokens or as many as the model was trained for", () => {
  expect(fittingSlotTokens(FACTS, { ...OPTIONS, slotTokens: 20_000 }, 1)).toBe(20_000);
  expect(fittingSlotTokens(FACTS, OPTIONS, Number.POSITIVE_INFINITY)).toBe(8192);
  expect(fittingSlotTokens({ ...FACTS, trainedTokens: 1000 }, OPTIONS, Number.POSITIVE_INFINITY)).toBe(1000);
});

test("slots are halved until the model fits, down to 512 tokens", () => {
  const need = (slotTokens: number) => footprint(FACTS, 4, slotTokens).total;

  expect(fittingSlotTokens(FACTS, OPTIONS, need(8192))).toBe(8192);
  expect(fittingSlotTokens(FACTS, OPTIONS, need(8192) - 1)).toBe(4096);
  expect(fittingSlotTokens(FACTS, OPTIONS, need(1024))).toBe(1024);
  expect(fittingSlotTokens(FACTS, OPTIONS, 1)).toBe(512);
});

test("a model that does not fit alone is refused with estimate, budget and what to do", () => {
  const needed = footprint(FACTS, 4, 512);

  expect(() => assertFits("coder", needed, needed.total)).not.toThrow();
  expect(() => assertFits("coder", needed, 300 * MIB)).toThrow(
    /model "coder" needs about \d+ MiB \(weights 501 MiB, cache 24 MiB, the rest \d+ MiB\), more than the memory budget of 300 MiB; .*raise memory_budget/,
  );
});
