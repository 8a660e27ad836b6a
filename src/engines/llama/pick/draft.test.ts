import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Drafter, lookUp, NO_DRAFT } from "./draft.ts";

const never = (): boolean => false;

describe("looking up", () => {
  test("finds what followed the longest earlier occurrence of the last tokens", () => {
    const tokens = [1, 2, 3, 4, 5, 9, 2, 3, 7, 7, 1, 2, 3];

    expect(lookUp(tokens, tokens, 3, never)).toEqual([4, 5, 9]);
  });

  test("prefers the latest among equals", () => {
    const tokens = [1, 2, 5, 0, 1, 2, 6, 0, 1, 2];

    expect(lookUp(tokens, tokens, 1, never)).toEqual([6]);
  });

  test("needs two tokens that agree", () => {
    expect(lookUp([1, 2, 3, 4, 2], [1, 2, 3, 4, 2], 4, never)).toEqual([]);
    expect(lookUp([], [], 4, never)).toEqual([]);
  });

  test("goes on with itself where a text repeats itself", () => {
    expect(lookUp([1, 2, 1, 2, 1, 2], [1, 2, 1, 2, 1, 2], 5, never)).toEqual([1, 2, 1, 2, 1]);
  });

  test("stops before a token that is no text, and looks elsewhere when it is the first", () => {
    const isEnd = (id: number): boolean => id === 9;

    expect(lookUp([1, 2, 3, 9, 4, 1, 2], [1, 2], 4, isEnd)).toEqual([3]);
    expect(lookUp([1, 2, 3, 4, 1, 2, 9, 1, 2], [1, 2], 2, isEnd)).toEqual([3, 4]);
  });

  test("only ever guesses what stands somewhere behind the last two tokens", () => {
    const tokens = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 60 });
    fc.assert(
      fc.property(tokens, fc.integer({ min: 0, max: 10 }), (text, most) => {
        const [first, second, third] = [...text.slice(-2), ...lookUp(text, text, most, never)];
        const follows = text.some(
          (id, at) => at >= 2 && id === third && text[at - 1] === second && text[at - 2] === first,
        );
        expect(third === undefined || follows).toBe(true);
        expect(lookUp(text, text, most, never).length).toBeLessThanOrEqual(most);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("a draft", () => {
  const prompt = { tokens: [1, 2, 3, 4, 5, 6, 7, 8, 1, 2], tail: [3, 4], promptTokens: 12, truncatedTokens: 0 };

  test("is what was taken back, for as long as the answer repeats it; then guesses", () => {
    const drafter = new Drafter(prompt, never, true);
    const propose = (...answer: number[]) => drafter.propose([...prompt.tokens, ...answer], 3);

    expect(propose()).toEqual({ tokens: [3, 4], isGuess: false });
    expect(propose(3)).toEqual({ tokens: [4], isGuess: false });
    expect(propose(3, 4)).toEqual({ tokens: [5, 6, 7], isGuess: true });
    expect(propose(2)).toEqual({ tokens: [], isGuess: true });
  });

  test("is no guess when guesses are not wanted, at the beginning, or after a doubt", () => {
    const plain = new Drafter({ ...prompt, tail: [] }, never, false);
    const drafter = new Drafter({ ...prompt, tail: [] }, never, true);

    expect(plain.propose([...prompt.tokens, 3], 3)).toEqual(NO_DRAFT);
    expect(drafter.propose(prompt.tokens, 3)).toEqual(NO_DRAFT);
    drafter.observe({ proposed: 3, accepted: 1 }, true);
    expect(drafter.propose([...prompt.tokens, 3], 3)).toEqual(NO_DRAFT);
    drafter.observe({ proposed: 0, accepted: 0 }, false);
    expect(drafter.propose([...prompt.tokens, 3], 3).tokens.length).toBeGreaterThan(0);
  });

  test("grows while guesses come true and shrinks when they do not", () => {
    const drafter = new Drafter({ ...prompt, tail: [] }, never, true);
    const length = (): number => drafter.propose([...prompt.tokens, 3], 100).tokens.length;
    const lengths = [length()];
    for (const accepted of [0, 1, 2, 4, 1]) {
      drafter.observe({ proposed: length(), accepted }, false);
      lengths.push(length());
    }

    expect(lengths).toEqual([8, 1, 2, 4, 8, 2]);
  });

  test("looks up the text that is continued, wherever it stands in the prompt", () => {
    const infill = { tokens: [100, 1, 2, 3, 1, 2, 101, 5, 2, 7, 102], lead: [1, 2, 3, 1, 2], tail: [] };
    const drafter = new Drafter({ ...infill, promptTokens: 11, truncatedTokens: 0 }, (id) => id > 99, true);

    expect(drafter.propose([...infill.tokens, 3], 2).tokens).toEqual([1, 2]);
  });
});
