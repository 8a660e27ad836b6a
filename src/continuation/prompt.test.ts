import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allot, type LoweredPart, mergeTexts, type PromptSection } from "./prompt.ts";

describe("merging neighbouring texts", () => {
  const part: fc.Arbitrary<LoweredPart> = fc.oneof(
    fc.record({ text: fc.string({ unit: "binary", maxLength: 5 }) }),
    fc.record({ control: fc.constantFrom("<|a|>", "<|b|>") }),
    fc.record({ tokens: fc.array(fc.nat(9), { maxLength: 2 }) }),
  );
  const flat = (parts: readonly LoweredPart[]): string =>
    parts.map((each) => ("text" in each ? each.text : `\u0000${JSON.stringify(each)}\u0000`)).join("");

  test("keeps every character and every other part in its place", () => {
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        expect(flat(mergeTexts(parts))).toBe(flat(parts));
      }),
      { numRuns: 1000 },
    );
  });

  test("leaves no empty text and no two texts side by side", () => {
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const merged = mergeTexts(parts);
        for (const [index, each] of merged.entries()) {
          const next = merged[index + 1];
          if ("text" in each) expect(each.text).not.toBe("");
          expect("text" in each && next !== undefined && "text" in next).toBe(false);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe("cutting a prompt to a budget", () => {
  const role = fc.constantFrom<PromptSection["role"]>("fixed", "turn", "context", "prefix", "suffix");
  /** Small numbers: collisions are where the bugs are. At most one suffix, as `lower` makes them. */
  const prompt = fc
    .array(fc.record({ role, length: fc.nat(12) }), { maxLength: 8 })
    .map((sections) =>
      sections.filter((each, at) => each.role !== "suffix" || sections.findIndex((s) => s.role === "suffix") === at),
    )
    .chain((sections) => fc.record({ sections: fc.constant(sections), budget: fc.nat(40) }));
  type Sections = readonly { readonly role: PromptSection["role"]; readonly length: number }[];

  type Check = (sections: Sections, budget: number, keep: readonly number[], lengths: readonly number[]) => void;

  const cut = (sections: Sections, budget: number) =>
    allot(
      sections,
      sections.map(({ length }) => length),
      budget,
    );
  const total = (sections: Sections, keep: readonly number[], ...roles: PromptSection["role"][]): number =>
    sections.reduce((sum, each, index) => sum + (roles.includes(each.role) ? (keep[index] ?? 0) : 0), 0);
  const ALL = ["fixed", "turn", "context", "prefix", "suffix"] as const;
  const law = (check: Check) =>
    fc.assert(
      fc.property(prompt, ({ sections, budget }) => {
        const keep = cut(sections, budget);
        const lengths = sections.map(({ length }) => length);
        if (keep !== undefined) check(sections, budget, keep, lengths);
      }),
      { numRuns: 1000 },
    );

  test("the budget is never exceeded, and used up when anything was cut in part", () => {
    law((sections, budget, keep, lengths) => {
      expect(total(sections, keep, ...ALL)).toBeLessThanOrEqual(budget);
      const inPart =
        total(sections, lengths, "context", "prefix", "suffix") - total(sections, keep, "context", "prefix", "suffix");
      if (inPart > 0) expect(total(sections, keep, ...ALL)).toBe(budget);
    });
  });

  test("nothing grows, nothing is negative, what fits is left alone", () => {
    law((sections, budget, keep, lengths) => {
      expect(keep).toHaveLength(lengths.length);
      for (const [index, kept] of keep.entries()) {
        expect(kept).toBeGreaterThanOrEqual(0);
        expect(kept).toBeLessThanOrEqual(lengths[index] ?? 0);
      }
      if (total(sections, lengths, ...ALL) <= budget) expect(keep).toEqual(lengths);
    });
  });

  test("fixed parts stay whole, turns stay or go whole", () => {
    law((sections, _budget, keep, lengths) => {
      for (const [index, section] of sections.entries()) {
        if (section.role === "fixed") expect(keep[index]).toBe(lengths[index]);
        if (section.role === "turn") expect([0, lengths[index]]).toContain(keep[index]);
      }
    });
  });

  test("turns and context go from the oldest on", () => {
    law((sections, _budget, keep, lengths) => {
      for (const wanted of ["turn", "context"] as const) {
        const own = [...sections.keys()].filter((index) => sections[index]?.role === wanted && lengths[index] !== 0);
        const firstLeft = own.findIndex((index) => keep[index] !== 0);
        const behind = firstLeft < 0 ? [] : own.slice(firstLeft + 1);
        expect(behind.map((index) => keep[index])).toEqual(behind.map((index) => lengths[index]));
      }
    });
  });

  test("all turns go before context, and all context before prefix and suffix", () => {
    law((sections, _budget, keep, lengths) => {
      const left = (...wanted: PromptSection["role"][]) => total(sections, keep, ...wanted);
      const cutFrom = (...wanted: PromptSection["role"][]) => left(...wanted) < total(sections, lengths, ...wanted);
      if (cutFrom("context")) expect(left("turn")).toBe(0);
      if (cutFrom("prefix", "suffix")) expect(left("turn", "context")).toBe(0);
    });
  });

  test("the suffix keeps a quarter of what it shares with the prefix, and more only where the prefix needs less", () => {
    law((sections, _budget, keep, lengths) => {
      const suffix = total(sections, lengths, "suffix");
      const shared = total(sections, keep, "prefix", "suffix");
      const kept = total(sections, keep, "suffix");
      expect(kept).toBeGreaterThanOrEqual(Math.min(suffix, Math.floor(shared / 4)));
      if (kept < suffix && kept > Math.floor(shared / 4)) {
        expect(total(sections, keep, "prefix")).toBe(total(sections, lengths, "prefix"));
      }
    });
  });

  test("it cannot be done exactly when the fixed parts alone are too long", () => {
    fc.assert(
      fc.property(prompt, ({ sections, budget }) => {
        const fixed = total(
          sections,
          sections.map(({ length }) => length),
          "fixed",
        );
        expect(cut(sections, budget) === undefined).toBe(fixed > budget);
      }),
      { numRuns: 1000 },
    );
  });

  test("an infill of 100 and 100 tokens that must lose 120 keeps 60 of the prefix and 20 of the suffix", () => {
    const sections = (["fixed", "prefix", "fixed", "suffix", "fixed"] as const).map((each) => ({ role: each }));

    expect(allot(sections, [1, 100, 1, 100, 1], 83)).toEqual([1, 60, 1, 20, 1]);
    expect(allot(sections, [1, 10, 1, 100, 1], 83)).toEqual([1, 10, 1, 70, 1]);
    expect(allot(sections, [1, 100, 1, 10, 1], 83)).toEqual([1, 70, 1, 10, 1]);
  });
});
