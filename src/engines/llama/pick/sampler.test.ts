import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { argmax, largest, margin, type Picked, Sampler, scored, uniform } from "./sampler.ts";

const logits = (...values: number[]): Float32Array => new Float32Array(values);
const anyLogits = fc
  .array(fc.double({ min: -20, max: 20, noNaN: true }), { minLength: 1, maxLength: 40 })
  .map((values) => new Float32Array(values));

/** Nothing forbids anything here, so there is always a token. */
function pick(sampler: Sampler, values: Float32Array, alternatives?: number): Picked {
  const picked = sampler.pick(values, { alternatives });
  if (picked === undefined) throw new Error("no token was picked");
  return picked;
}

function draws(
  sampling: ConstructorParameters<typeof Sampler>[0],
  values: readonly number[],
  count: number,
  seed = 1n,
): Map<number, number> {
  const counts = new Map<number, number>();
  const sampler = new Sampler(sampling, seed, []);
  for (let index = 0; index < count; index += 1) {
    const { id } = pick(sampler, new Float32Array(values));
    counts.set(id, (counts.get(id) ?? 0) + 1);
    sampler.accept(id);
  }
  return counts;
}

describe("choosing", () => {
  test("a barred token never comes, however likely it is, greedy or drawn, and others as if it were not there", () => {
    const values = fc.array(fc.double({ min: -20, max: 20, noNaN: true }), { minLength: 2, maxLength: 12 });
    const sampling = fc.constantFrom({ temperature: 0 }, { temperature: 1 }, { temperature: 2, topK: 3, topP: 0.9 });
    fc.assert(
      fc.property(values, fc.nat(), sampling, fc.bigInt({ min: 0n, max: 99n }), (row, chosen, settings, seed) => {
        const barred = chosen % row.length;
        const without = row.map((value, id) => (id === barred ? Number.NEGATIVE_INFINITY : value));

        const picked = new Sampler(settings, seed, []).pick(new Float32Array(row), { barred: [barred] });

        expect(picked?.id).not.toBe(barred);
        expect(picked).toEqual(new Sampler(settings, seed, []).pick(new Float32Array(without)));
      }),
      { numRuns: 2000 },
    );
  });

  test.each([{ temperature: 0 }, { temperature: 1 }])(
    "nothing is picked where a grammar allows only what is barred (%j)",
    (sampling) => {
      const filter = {
        allows: (id: number) => id === 1,
        filter: (ids: readonly number[]) => ids.filter((id) => id === 1),
        candidates: () => undefined,
        keepAllowed: (values: Float32Array) => {
          values.fill(Number.NEGATIVE_INFINITY, 0, 1).fill(Number.NEGATIVE_INFINITY, 2);
          return true;
        },
      };

      expect(new Sampler(sampling, 1n, []).pick(logits(1, 2, 3), { filter, barred: [1] })).toBeUndefined();
    },
  );

  test("temperature 0 takes the first of the largest", () => {
    expect(pick(new Sampler({ temperature: 0 }, 1n, []), logits(1, 3, 3, 2)).id).toBe(1);
  });

  test("the largest k are those of a full sort", () => {
    fc.assert(
      fc.property(anyLogits, fc.integer({ min: 1, max: 50 }), (values, count) => {
        const sorted = [...values.keys()].sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0) || a - b);
        expect(largest(values, count)).toEqual(sorted.slice(0, count));
        expect(argmax(values)).toBe(sorted[0]);
      }),
      { numRuns: 2000 },
    );
  });

  test("the margin is the distance to the second largest", () => {
    fc.assert(
      fc.property(anyLogits, (values) => {
        const [first = 0, second = Number.NEGATIVE_INFINITY] = [...values].sort((a, b) => b - a);
        const before = [...values];
        expect(margin(values, argmax(values))).toBe(first - second);
        expect([...values]).toEqual(before);
      }),
    );
  });

  test("behind a refused token the margin is the distance to the next one that may come", () => {
    const filter = {
      allows: (id: number) => id > 1,
      filter: (ids: readonly number[]) => ids.filter((id) => id > 1),
      candidates: () => undefined,
      keepAllowed: () => true,
    };
    const values = logits(9, 4.99, 5, 3);

    const picked = new Sampler({ temperature: 0 }, 1n, []).pick(values, { filter });

    expect(picked?.id).toBe(2);
    expect(margin(values, 2)).toBe(2);
  });

  test("draws follow the probabilities", () => {
    const counts = draws({ temperature: 1 }, [Math.log(0.5), Math.log(0.3), Math.log(0.2)], 20_000);
    expect((counts.get(0) ?? 0) / 20_000).toBeCloseTo(0.5, 1);
    expect((counts.get(1) ?? 0) / 20_000).toBeCloseTo(0.3, 1);
  });

  test("top_p keeps the smallest set that reaches it, whether or not top_k is given", () => {
    const values = [Math.log(0.5), Math.log(0.3), Math.log(0.15), Math.log(0.05)];
    expect([...draws({ temperature: 1, topP: 0.8 }, values, 3000).keys()].sort()).toEqual([0, 1]);
    expect([...draws({ temperature: 1, topP: 0.8, topK: 4 }, values, 3000).keys()].sort()).toEqual([0, 1]);
    expect([...draws({ temperature: 1, topP: 0.81 }, values, 3000).keys()].sort()).toEqual([0, 1, 2]);
  });

  test("min_p drops what is less likely than its share of the likeliest", () => {
    const values = [Math.log(0.5), Math.log(0.3), Math.log(0.15), Math.log(0.05)];
    expect([...draws({ temperature: 1, minP: 0.4 }, values, 3000).keys()].sort()).toEqual([0, 1]);
  });

  test("a nucleus wider than the near candidates still reaches its share", () => {
    const flat = [20, ...Array.from({ length: 5000 }, () => 3)];
    expect(draws({ temperature: 2, topP: 0.9999 }, flat, 200).size).toBeGreaterThan(1);
  });

  test("the same seed and history draw the same, in a new sampler too", () => {
    fc.assert(
      fc.property(
        anyLogits,
        fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
        fc.array(fc.nat(5)),
        (values, seed, history) => {
          const make = () => {
            const sampler = new Sampler({ temperature: 1, presencePenalty: 1 }, seed, []);
            for (const id of history) sampler.accept(id);
            return pick(sampler, new Float32Array(values)).id;
          };
          expect(make()).toBe(make());
        },
      ),
    );
  });

  test("uniform numbers fill [0, 1) evenly", () => {
    const numbers = Array.from({ length: 10_000 }, (_, step) => uniform(7n, step));
    expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...numbers)).toBeLessThan(1);
    expect(numbers.reduce((sum, each) => sum + each, 0) / 10_000).toBeCloseTo(0.5, 1);
  });
});

describe("penalties", () => {
  const greedy = (
    sampling: ConstructorParameters<typeof Sampler>[0],
    prompt: number[],
    answer: number[],
    values: Float32Array,
  ): number => {
    const sampler = new Sampler({ temperature: 0, ...sampling }, 1n, prompt);
    for (const id of answer) sampler.accept(id);
    return pick(sampler, values).id;
  };

  test("presence and frequency count the answer only, repetition the prompt too", () => {
    expect(greedy({ presencePenalty: 2 }, [0], [], logits(3, 2))).toBe(0);
    expect(greedy({ presencePenalty: 2 }, [], [0], logits(3, 2))).toBe(1);
    expect(greedy({ presencePenalty: 0.9 }, [], [0, 0, 0], logits(3, 2))).toBe(0);
    expect(greedy({ frequencyPenalty: 0.5 }, [], [0, 0, 0], logits(3, 2))).toBe(1);
    expect(greedy({ repetitionPenalty: 2 }, [0], [], logits(3, 2))).toBe(1);
    expect(greedy({ repetitionPenalty: 2 }, [0], [], logits(-3, -5))).toBe(1);
  });

  test("how the caller's own text is spelt is not repetition", () => {
    const sampling = { temperature: 0, repetitionPenalty: 2, presencePenalty: 2, frequencyPenalty: 2 };
    const sampler = new Sampler(sampling, 1n, [0]);
    sampler.accept(0);

    expect(sampler.pick(logits(3, 2, 9), { among: [0, 1] })?.id).toBe(0);
    expect(sampler.pick(logits(3, 2, 1))?.id).toBe(1);
  });

  test("a logit bias is added to its token", () => {
    expect(greedy({ logitBias: new Map([[1, 100]]) }, [], [], logits(3, 2))).toBe(1);
  });

  test("log probabilities are the model's own, whatever the penalties", () => {
    const picked = pick(new Sampler({ temperature: 0, logitBias: new Map([[1, 100]]) }, 1n, []), logits(1, 0), 2);
    expect(picked.id).toBe(1);
    expect(picked.logprob).toBeCloseTo(Math.log(1 / (1 + Math.E)), 5);
    expect(picked.logprob).toBeCloseTo(scored(logits(1, 0), 0).logprob(1), 5);
    expect(picked.top?.map((each) => each.id)).toEqual([0, 1]);
  });
});
