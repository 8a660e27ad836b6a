import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allot, type LoweredPart, type LoweredPrompt, type PromptSection } from "./prompt.ts";
import { withinRoom } from "./prompt-room.ts";

const text = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 12 });
const part: fc.Arbitrary<LoweredPart> = fc.oneof(
  { weight: 3, arbitrary: text.map((each) => ({ text: each })) },
  { weight: 1, arbitrary: fc.constant({ control: "<m>" }) },
  { weight: 1, arbitrary: fc.array(fc.nat(9), { maxLength: 6 }).map((tokens) => ({ tokens })) },
);
const section: fc.Arbitrary<PromptSection> = fc.oneof(
  fc.record({
    role: fc.constantFrom("fixed" as const, "turn" as const),
    parts: fc.array(part, { maxLength: 3 }),
  }),
  fc.record({
    role: fc.constantFrom("context" as const, "prefix" as const, "suffix" as const),
    parts: fc.array(part, { minLength: 1, maxLength: 1 }),
  }),
);
const prompt: fc.Arbitrary<LoweredPrompt> = fc
  .array(section, { minLength: 1, maxLength: 6 })
  .map((sections) => ({ sections, countOffset: 0 }));

/** A token per character, marker and id. */
function tokensOf({ parts }: PromptSection): readonly string[] {
  return parts.flatMap((each) =>
    "text" in each ? [...each.text] : "tokens" in each ? each.tokens.map(String) : [each.control],
  );
}

/** What is kept of a prompt that is tokenized whole; undefined if it cannot fit. */
function kept({ sections }: LoweredPrompt, room: number, truncate: boolean): readonly string[] | undefined {
  const tokens = sections.map(tokensOf);
  const lengths = tokens.map(({ length }) => length);
  const fits = lengths.reduce((sum, length) => sum + length, 0) <= room;
  const keep = fits ? lengths : truncate ? allot(sections, lengths, room) : undefined;
  return keep?.flatMap((count, index) => {
    const all = tokens[index] ?? [];
    return sections[index]?.role === "suffix" ? all.slice(0, count) : all.slice(all.length - count);
  });
}

describe("a prompt cut by the length of its texts", () => {
  test("comes to the same tokens as one that is tokenized whole", () => {
    fc.assert(
      fc.property(
        prompt,
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 3 }),
        fc.boolean(),
        (whole, tokens, unitsPerToken, truncate) => {
          const cut = withinRoom(whole, { tokens, unitsPerToken, truncate });

          expect(cut === undefined ? undefined : kept(cut, tokens, truncate)).toEqual(kept(whole, tokens, truncate));
        },
      ),
      { numRuns: 5_000 },
    );
  });

  test("keeps of every long text as much as all the room could take, and says how much went", () => {
    const sections: PromptSection[] = [
      { role: "prefix", parts: [{ text: "a".repeat(1_000) }] },
      { role: "suffix", parts: [{ text: "b".repeat(1_000) }] },
    ];

    const cut = withinRoom({ sections, countOffset: 0 }, { tokens: 10, unitsPerToken: 8, truncate: true });
    const again = cut && withinRoom(cut, { tokens: 10, unitsPerToken: 3, truncate: true });

    expect([cut?.cutUnits, again?.cutUnits]).toEqual([1_840, 1_940]);
  });

  test("knows where it is to be healed although turns before that are gone", () => {
    const turn: PromptSection = { role: "turn", parts: [{ text: "aaaa" }] };
    const sections: PromptSection[] = [
      { role: "fixed", parts: [] },
      turn,
      turn,
      { role: "fixed", parts: [{ text: "b" }] },
    ];
    const heal = { section: 3, bytes: 1, byDefault: true };

    const cut = withinRoom({ sections, countOffset: 0, heal }, { tokens: 6, unitsPerToken: 1, truncate: true });

    expect(cut?.sections).toHaveLength(3);
    expect(cut?.heal).toEqual({ ...heal, section: 2 });
  });

  test("never ends inside a character", () => {
    const sections: PromptSection[] = [
      { role: "prefix", parts: [{ text: "🎉".repeat(100) }] },
      { role: "suffix", parts: [{ text: "🎉".repeat(100) }] },
    ];

    const cut = withinRoom({ sections, countOffset: 0 }, { tokens: 3, unitsPerToken: 3, truncate: true });

    expect(cut?.sections.map(({ parts }) => parts)).toEqual(Array(2).fill([{ text: "🎉🎉🎉🎉" }]));
  });

  test("is the very prompt where it may fit", () => {
    const short: LoweredPrompt = { sections: [{ role: "prefix", parts: [{ text: "abc" }] }], countOffset: 0 };

    expect(withinRoom(short, { tokens: 1, unitsPerToken: 3, truncate: false })).toBe(short);
    expect(withinRoom(short, { tokens: 1, unitsPerToken: 2, truncate: false })).toBeUndefined();
  });
});
