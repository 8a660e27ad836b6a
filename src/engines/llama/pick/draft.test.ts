import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { EncodedPrompt } from "../../../continuation/encode-prompt.ts";
import { type Draft, Drafter, NO_DRAFT, shortened } from "./draft.ts";

const never = (_id: number): boolean => false;

/** Drafts of one growing text. */
class Writer {
  readonly tokens: number[];
  readonly #drafter: Drafter;

  constructor(prompt: Partial<EncodedPrompt> & { readonly tokens: readonly number[] }, isEnd = never, guesses = true) {
    this.tokens = [...prompt.tokens];
    this.#drafter = new Drafter({ tail: [], promptTokens: 0, truncatedTokens: 0, ...prompt }, isEnd, guesses);
  }

  doubt(doubted: boolean): void {
    this.#drafter.observe(doubted);
  }

  /** @param answer tokens that have come since. */
  after(answer: readonly number[], most = 3): Draft {
    this.tokens.push(...answer);
    return this.#drafter.propose(this.tokens, most);
  }
}

describe("a draft", () => {
  const prompt = { tokens: [1, 2, 3, 4, 5, 6, 7, 8, 1, 2] };

  test("is what was taken back, for as long as the answer repeats it; then guesses", () => {
    const writer = new Writer({ ...prompt, tail: [3, 4] });

    expect(writer.after([])).toEqual({ tokens: [3, 4], odds: [], isGuess: false });
    expect(writer.after([3])).toEqual({ tokens: [4], odds: [], isGuess: false });
    expect(writer.after([4])).toMatchObject({ tokens: [5, 6, 7], isGuess: true });
    expect(new Writer({ ...prompt, tail: [3, 4] }).after([2]).tokens).toEqual([]);
  });

  test("is no guess when guesses are not wanted, at the beginning, or after a doubt", () => {
    const writer = new Writer(prompt);

    expect(new Writer(prompt, never, false).after([3])).toEqual(NO_DRAFT);
    expect(writer.after([])).toEqual(NO_DRAFT);
    writer.doubt(true);
    expect(writer.after([3])).toEqual(NO_DRAFT);
    writer.doubt(false);
    expect(writer.after([]).tokens).toEqual([4, 5, 6]);
  });

  test("follows the latest of the longest occurrences, and goes on with itself where a text repeats itself", () => {
    expect(new Writer({ tokens: [1, 2, 3, 4, 0, 9, 2, 3, 5, 0, 1, 2] }).after([3], 2).tokens).toEqual([4, 0]);
    expect(new Writer({ tokens: [1, 2, 6, 0, 1, 2, 7, 0, 1] }).after([2], 1).tokens).toEqual([7]);
    expect(new Writer({ tokens: [1, 2, 1, 2, 1] }).after([2], 5).tokens).toEqual([1, 2, 1, 2, 1]);
  });

  test("stops before a token that is no text", () => {
    expect(new Writer({ tokens: [1, 2, 3, 99, 4, 1] }, (id) => id === 99).after([2], 4).tokens).toEqual([3]);
  });

  test("looks up the text that is continued, wherever it stands in the prompt", () => {
    const infill = { tokens: [100, 1, 2, 3, 1, 2, 101, 5, 2, 7, 102], lead: [1, 2, 3, 1, 2] };

    expect(new Writer(infill, (id) => id > 99).after([3], 2).tokens).toEqual([1, 2]);
  });

  test("is likelier the more of the same came true, drafted or not", () => {
    const text = Array.from({ length: 40 }, (_, index) => index);
    const writer = new Writer({ tokens: [...text, 0] });
    const [early = 1] = writer.after([1]).odds;
    const [late = 0] = writer.after(text.slice(2, 30)).odds;

    expect(late).toBeGreaterThan(early);
  });

  test("is doubted where the text went on in two ways before", () => {
    const [certain = 0, contested = 1] = [
      new Writer({ tokens: [1, 2, 5, 4, 0, 1, 2, 5, 0, 1] }).after([2], 1).odds[0],
      new Writer({ tokens: [1, 2, 3, 4, 0, 1, 2, 5, 0, 1] }).after([2], 1).odds[0],
    ];

    expect(contested).toBeLessThan(certain);
  });

  test.each([
    ["another token", [80], 9],
    ["another token in front", [80, 8], 9],
    ["two others in front", [80, 81, 8], 9],
    ["some left out", [11], 12],
  ])("goes on behind an edit of a passage: %s", (_, edit, next) => {
    const passage = Array.from({ length: 30 }, (_, index) => index);
    const writer = new Writer({ tokens: [...passage, 0] });
    writer.after(passage.slice(1, 8)); // each token is compared with what was expected
    for (const id of edit) writer.after([id]);

    expect(writer.after([], 2).tokens).toEqual([next, next + 1]);
  });

  test("gives a passage up that the text has left", () => {
    const passage = Array.from({ length: 30 }, (_, index) => index);
    const writer = new Writer({ tokens: [...passage, 0] });
    writer.after(passage.slice(1, 8));

    expect(writer.after([80, 81, 82, 83, 84]).tokens).toEqual([]);
  });

  test("has odds for every token, none more than wanted, and only tokens of the text", () => {
    const ids = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(ids, fc.array(ids, { maxLength: 8 }), fc.integer({ min: 0, max: 70 }), (tokens, answer, most) => {
        const writer = new Writer({ tokens }, (id) => id === 5);
        for (const each of answer) {
          const draft = writer.after(each, most);
          expect(draft.tokens.length).toBeLessThanOrEqual(most);
          expect(draft.odds).toHaveLength(draft.tokens.length);
          expect(draft.odds.every((odds) => odds > 0 && odds < 1)).toBe(true);
          expect(draft.tokens.every((id) => id !== 5 && writer.tokens.includes(id))).toBe(true);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test("can be shortened", () => {
    const draft = { tokens: [1, 2, 3], odds: [0.9, 0.8, 0.7], isGuess: true };

    expect(shortened(draft, 2)).toEqual({ tokens: [1, 2], odds: [0.9, 0.8], isGuess: true });
    expect(shortened(draft, 9)).toEqual(draft);
  });
});
