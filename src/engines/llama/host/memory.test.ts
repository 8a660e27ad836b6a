import { expect, test } from "vitest";
import { assertFits, fittingSlotTokens, footprint } from "./memory.ts";

/** Of the shape of Qwen2.5-Coder-0.5B in Q8_0. */
const FACTS = {
  vocabularySize: 151_936,
  trainedTokens: 32_768,
  layers: 24,
  heads: 14,
  weightBytes: 525_120_000,
  cacheBytesPerToken: 12_288,
  activationFloats: 13_312,
  controls: {},
  sampling: {},
};
const OPTIONS = { slots: 4, deterministic: false, queueLimit: 1 };
const MIB = 2 ** 20;
const onMachine = (machine: number) => ({ machine, gpu: 0 });

test("weights, cache of all slots, and the rest make the whole", () => {
  const { weights, cache, rest, total } = footprint(FACTS, { ...OPTIONS, slots: 4, slotTokens: 2048 });

  expect(weights).toBe(525_120_000);
  expect(cache).toBe(4 * 2048 * 12_288);
  expect(total).toBe(weights + cache + rest);
  expect(rest / MIB).toBeGreaterThan(150);
  expect(rest / MIB).toBeLessThan(250);
});

test("deterministic slots write out the attention scores of a block", () => {
  const rest = (deterministic: boolean) => footprint(FACTS, { slots: 4, slotTokens: 2048, deterministic }).rest;

  expect(rest(true) - rest(false)).toBe(4 * 64 * 2048 * 14);
});

test("cells of a cache come in blocks of 256", () => {
  expect(footprint(FACTS, { ...OPTIONS, slots: 2, slotTokens: 300 }).cache).toBe(2 * 512 * 12_288);
});

test("slots hold what is configured, else 8192 tokens or as many as the model was trained for", () => {
  expect(fittingSlotTokens(FACTS, { ...OPTIONS, slotTokens: 20_000 }, onMachine(1))).toBe(20_000);
  expect(fittingSlotTokens(FACTS, OPTIONS, onMachine(Number.POSITIVE_INFINITY))).toBe(8192);
  expect(fittingSlotTokens({ ...FACTS, trainedTokens: 1000 }, OPTIONS, onMachine(Number.POSITIVE_INFINITY))).toBe(1000);
});

test("slots are halved until the model fits, down to 512 tokens", () => {
  const need = (slotTokens: number) => footprint(FACTS, { ...OPTIONS, slots: 4, slotTokens }).total;

  expect(fittingSlotTokens(FACTS, OPTIONS, onMachine(need(8192)))).toBe(8192);
  expect(fittingSlotTokens(FACTS, OPTIONS, onMachine(need(8192) - 1))).toBe(4096);
  expect(fittingSlotTokens(FACTS, OPTIONS, onMachine(need(1024)))).toBe(1024);
  expect(fittingSlotTokens(FACTS, OPTIONS, onMachine(1))).toBe(512);
});

test("a model that does not fit alone is refused with estimate, budget and what to do", () => {
  const needed = footprint(FACTS, { ...OPTIONS, slots: 4, slotTokens: 512 });

  expect(() => assertFits("coder", needed, onMachine(needed.total))).not.toThrow();
  expect(() => assertFits("coder", needed, onMachine(300 * MIB))).toThrow(
    /model "coder" needs about \d+ MiB \(weights 501 MiB, cache 24 MiB, the rest \d+ MiB\), more than the memory budget of 300 MiB; .*raise memory_budget/,
  );
});

test("what lies on a GPU does not count for the machine, layer by layer", () => {
  const memory = (gpuLayers?: number) =>
    footprint(
      FACTS,
      { ...OPTIONS, slots: 4, slotTokens: 2048 },
      { hasGpu: true, ...(gpuLayers !== undefined && { gpuLayers }) },
    ).memory;
  const { weights, cache, total } = footprint(FACTS, { ...OPTIONS, slots: 4, slotTokens: 2048 });

  expect(memory(0)).toEqual({ machine: total, gpu: 0 });
  expect(memory().gpu).toBeGreaterThan(weights + cache);
  expect(memory(12).gpu - memory(6).gpu).toBeCloseTo((weights + cache) / 4, -1);
  expect(memory(99)).toEqual(memory(24));
  for (const layers of [0, 6, 24]) expect(memory(layers).machine + memory(layers).gpu).toBe(total);
});

test("a model too large for the GPU is refused with that figure, unless fewer layers go there", () => {
  const budget = { machine: 8_000 * MIB, gpu: 400 * MIB };
  const needed = (gpuLayers: number) =>
    footprint(FACTS, { ...OPTIONS, slots: 4, slotTokens: 512 }, { hasGpu: true, gpuLayers });

  expect(() => assertFits("coder", needed(24), budget)).toThrow(
    /needs about \d+ MiB of the GPU's memory .*, more than its budget of 400 MiB; set fewer gpu_layers/,
  );
  expect(() => assertFits("coder", needed(12), budget)).not.toThrow();
});
