import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ServiceError } from "../errors.ts";
import { arrangePrompt, type EncodedPrompt, encodeParts, fitPrompt } from "./encode-prompt.ts";
import type { LoweredPart, LoweredPrompt, PromptSection } from "./prompt.ts";

/** One token per character; a control token is 1000 and more. */
function encode(part: LoweredPart): readonly number[] {
  if ("tokens" in part) return part.tokens;
  if ("control" in part) return [1000 + part.control.length];
  return [...part.text].map((character) => character.codePointAt(0) ?? 0);
}

function encoded(
  prompt: LoweredPrompt,
  limits: Parameters<typeof fitPrompt>[1],
  roomTokens: number,
  tokensToHeal: (tokens: readonly number[], bytes: number) => number = () => 0,
): EncodedPrompt {
  const fitted = fitPrompt(prompt, limits, roomTokens, 1);
  return arrangePrompt(fitted, encodeParts(fitted, encode), limits, { roomTokens, tokensToHeal });
}

function section(role: PromptSection["role"], ...parts: readonly LoweredPart[]): PromptSection {
  return { role, parts };
}

function spell(tokens: readonly number[]): string {
  return tokens.map((token) => (token >= 1000 ? "#" : String.fromCodePoint(token))).join("");
}

/** `#` is a marker. */
function infill(prefix: string, suffix: string, countOffset = 0): LoweredPrompt {
  const marker = section("fixed", { control: "<m>" });
  const sections = [marker, section("prefix", { text: prefix }), marker, section("suffix", { text: suffix }), marker];
  return { sections, countOffset };
}

const REFUSE = { maxInputTokens: 100, truncate: false };
/** No answer is asked for, so none needs room. */
const CUT = { maxInputTokens: 100, truncate: true, maxTokens: 0 };

describe("a prompt that fits", () => {
  test("is encoded part by part and left alone", () => {
    expect(encoded(infill("abc", "xyz"), CUT, 9)).toEqual({
      tokens: [1003, 97, 98, 99, 1003, 120, 121, 122, 1003],
      tail: [],
      promptTokens: 9,
      truncatedTokens: 0,
    });
  });

  test("counts without what was added and with what was left out", () => {
    expect(encoded(infill("abc", "xyz", -3), REFUSE, 9).promptTokens).toBe(6);
    expect(encoded(infill("abc", "xyz", 2), REFUSE, 9).promptTokens).toBe(11);
  });
});

describe("a prompt that does not fit", () => {
  test.each([
    ["the engine", { ...REFUSE, maxInputTokens: 100 }, 8],
    ["the model's limit", { ...REFUSE, maxInputTokens: 8 }, 100],
  ])("is refused with the range, if cutting is not allowed (%s)", (_what, limits, room) => {
    const act = () => encoded(infill("abc", "xyz"), limits, room);

    expect(act).toThrow(ServiceError);
    expect(act).toThrow(`Range of input length should be [1, ${limits.maxInputTokens}]`);
    expect(act).toThrow(expect.objectContaining({ code: "invalid_parameter" }));
  });

  test("loses the left of the prefix and the right of the suffix, never a marker", () => {
    const { tokens, promptTokens, truncatedTokens } = encoded(infill("abcdef", "uvwxyz"), CUT, 11);

    expect(spell(tokens)).toBe("#abcdef#uv#");
    expect(tokens).toHaveLength(11);
    expect([promptTokens, truncatedTokens]).toEqual([11, 4]);
  });

  test("reports the tokens kept, as they count", () => {
    expect(encoded(infill("abcdef", "uvwxyz", -3), { ...CUT, maxInputTokens: 5 }, 100)).toMatchObject({
      promptTokens: 5,
      truncatedTokens: 7,
    });
  });

  test("loses whole turns and the left of context", () => {
    const sections = [
      section("fixed", { text: "S" }),
      section("turn", { text: "aa" }),
      section("turn", { text: "bb" }),
      section("fixed", { text: "Q" }),
    ];
    const context = [section("context", { text: "abc" }), section("prefix", { text: "P" })];

    expect(spell(encoded({ sections, countOffset: 0 }, CUT, 5).tokens)).toBe("SbbQ");
    expect(spell(encoded({ sections: context, countOffset: 0 }, CUT, 3).tokens)).toBe("bcP");
  });

  test("is cut a little more, so that there is room for an answer", () => {
    const long = infill("p".repeat(200), "s".repeat(200));

    expect(encoded(long, { ...CUT, maxTokens: 10 }, 100).tokens).toHaveLength(90);
    expect(encoded(long, { ...CUT, maxTokens: 1000 }, 100).tokens).toHaveLength(75);
    expect(encoded(long, { maxInputTokens: 100, truncate: true }, 100).tokens).toHaveLength(75);
    expect(encoded(long, { ...CUT, maxInputTokens: 50, maxTokens: 10 }, 100).tokens).toHaveLength(50);
  });

  test("is not refused for the sake of that room", () => {
    const sections = [section("turn", { text: "t".repeat(60) }), section("fixed", { text: "q".repeat(90) })];

    expect(encoded({ sections, countOffset: 0 }, { ...CUT, maxTokens: 50 }, 100).tokens).toHaveLength(90);
  });

  test("is refused even so when what must stay is too long", () => {
    expect(() => encoded(infill("a", "b"), CUT, 2)).toThrow(/Range of input length/);
  });

  test("keeps the end of the prefix, the beginning of the suffix and every marker, whatever the room", () => {
    const letters = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 20 });
    fc.assert(
      fc.property(
        letters,
        letters,
        fc.integer({ min: 3, max: 50 }),
        fc.integer({ min: -3, max: 3 }),
        (prefix, suffix, room, offset) => {
          fc.pre(prefix.length + suffix.length + 3 + offset >= 1);
          const { tokens, promptTokens, truncatedTokens } = encoded(infill(prefix, suffix, offset), CUT, room);

          const [, keptPrefix = "", keptSuffix = "", end] = spell(tokens).split("#");
          expect(prefix.endsWith(keptPrefix)).toBe(true);
          expect(suffix.startsWith(keptSuffix)).toBe(true);
          expect(end).toBe("");
          expect(tokens.length).toBeLessThanOrEqual(room);
          expect(tokens.length + truncatedTokens).toBe(prefix.length + suffix.length + 3);
          expect(promptTokens).toBe(tokens.length + offset);
        },
      ),
      { numRuns: 1000 },
    );
  });
});

test.each([
  ["nothing at all", infill("", "", -3)],
  ["no sections", { sections: [], countOffset: 0 }],
  ["an empty list of ids", { sections: [section("prefix", { tokens: [] })], countOffset: 0 }],
])("%s is no prompt", (_what, prompt) => {
  expect(() => encoded(prompt, REFUSE, 100)).toThrow("Range of input length should be [1, 100]");
});
