import fc from "fast-check";
import { expect, test } from "vitest";
import { drawFromAll } from "./draw.ts";
import { argmax, Sampler } from "./sampler.ts";

interface Bounds {
  readonly temperature: number;
  readonly topP: number;
  readonly minP: number;
}

/** By sorting all of them: the tokens that may come, with their weights, by id. */
function allowed(logits: Float32Array, { temperature, topP, minP }: Bounds): readonly (readonly [number, number])[] {
  const max = Math.max(...logits);
  const weighed = Array.from(logits, (logit, id) => [id, Math.exp((logit - max) / temperature)] as const)
    .filter(([, weight]) => weight >= minP)
    .sort(([a], [b]) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b);
  const goal = topP * weighed.reduce((sum, [, weight]) => sum + weight, 0);
  let sum = 0;
  return weighed
    .filter(([, weight]) => {
      const isNeeded = topP === 1 || sum < goal - 1e-9;
      sum += weight;
      return isNeeded;
    })
    .sort(([a], [b]) => a - b);
}

const rows = fc.oneof(
  fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 30 }), // many equal ones
  fc.array(
    fc.integer({ min: -60_000, max: 60_000 }).map((value) => value / 1000),
    { minLength: 1, maxLength: 30 },
  ),
);
const bounds: fc.Arbitrary<Bounds> = fc.record({
  temperature: fc.constantFrom(0.3, 1, 2.5),
  topP: fc.constantFrom(1, 0.99, 0.7, 0.2),
  minP: fc.constantFrom(0, 0.01, 0.3, 1),
});

test("the draw is that of a full sort: the same tokens may come, each as likely as its weight", () => {
  const share = fc.double({ min: 1e-6, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(rows, bounds, share, (row, options, at) => {
      const logits = new Float32Array(row);
      const kept = allowed(logits, options);
      const total = kept.reduce((sum, [, weight]) => sum + weight, 0);
      const ends = kept.map(
        (_, index) => kept.slice(0, index + 1).reduce((sum, [, weight]) => sum + weight, 0) / total,
      );
      fc.pre(ends.every((end) => Math.abs(end - at) > 1e-6)); // rounding may decide

      const id = drawFromAll(logits, argmax(logits), options, at);

      expect(id).toBe(kept[ends.findIndex((end) => end > at)]?.[0]);
    }),
    { numRuns: 5000 },
  );
});

test.each([
  ["nothing is dropped", { temperature: 1, topP: 1, minP: 0 }],
  ["nearly all are kept", { temperature: 2, topP: 0.95, minP: 0 }],
  ["the unlikely are dropped", { temperature: 1, topP: 1, minP: 0.05 }],
])("a large vocabulary is read, not sorted: %s", (_, options) => {
  const logits = Float32Array.from({ length: 150_000 }, (_, id) => 4 * Math.sin(id * id));
  const sampler = new Sampler(options, 1n, []);
  const timed = (act: () => void): number => {
    const startedMs = performance.now();
    act();
    return performance.now() - startedMs;
  };

  const rounds = Array.from({ length: 9 }, () => [
    timed(() => sampler.pick(new Float32Array(logits))),
    timed(() => [...logits.keys()].sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0))),
  ]);

  const [drawMs = 0, sortMs = 0] = [0, 1].map((index) => Math.min(...rounds.map((round) => round[index] ?? 0)));
  expect(drawMs).toBeLessThan(sortMs / 4);
});
