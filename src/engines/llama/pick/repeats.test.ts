import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LEAST_MATCH, MOST_MATCH, type Place, Repeats } from "./repeats.ts";

const never = (): boolean => false;

/** The longest occurrence, the latest among equals, by comparing all. */
function searched(tokens: readonly number[], recent: readonly number[], isEnd: (id: number) => boolean) {
  let best: Place | undefined;
  for (let next = tokens.length - 1; next >= LEAST_MATCH; next -= 1) {
    let match = 0;
    while (
      match < Math.min(next, MOST_MATCH) &&
      match < recent.length &&
      tokens[next - 1 - match] === recent.at(-1 - match)
    )
      match += 1;
    if (match >= LEAST_MATCH && match > (best?.match ?? 0) && !isEnd(tokens[next] ?? -1)) best = { next, match };
  }
  return best;
}

describe("the index", () => {
  test("finds what a search through everything finds, while the text grows", () => {
    const ids = fc.integer({ min: 0, max: 6 });
    fc.assert(
      fc.property(fc.array(ids, { maxLength: 60 }), fc.array(ids, { maxLength: 20 }), (prompt, answer) => {
        const tokens = [...prompt];
        const isEnd = (id: number): boolean => id === 6;
        const repeats = new Repeats(tokens, isEnd);
        for (const id of answer) {
          tokens.push(id);
          expect(repeats.find(tokens)).toEqual(searched(tokens, tokens, isEnd));
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test("finds the end of another text than its own, too", () => {
    const ids = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 50 });
    fc.assert(
      fc.property(ids, ids, (tokens, recent) => {
        expect(new Repeats(tokens, never).find(recent)).toEqual(searched(tokens, recent, never));
      }),
    );
  });

  test("keeps what it knows when it has to grow", () => {
    const tokens = Array.from({ length: 5_000 }, (_, index) => 7 * index);
    const repeats = new Repeats(tokens, never);
    for (let more = 0; more < 5_000; more += 1) tokens.push(1_000_000 + more);

    expect(repeats.find([7, 14])).toEqual({ next: 3, match: 2 });
    tokens.push(7, 14, 0);
    expect(repeats.find([7, 14])).toEqual({ next: tokens.length - 1, match: 2 });
  });

  test("needs two tokens that agree", () => {
    expect(new Repeats([1, 2, 3, 4, 2], never).find([2])).toBeUndefined();
    expect(new Repeats([1, 2, 3, 4, 2], never).find([4, 2])).toBeUndefined();
    expect(new Repeats([], never).find([])).toBeUndefined();
  });

  test("looks at few of many equal places, the latest", () => {
    const tokens = Array.from({ length: 30_000 }, () => 5);
    const repeats = new Repeats(tokens, never);

    expect(repeats.find([4, 5, 5])).toEqual({ next: tokens.length - 1, match: 2 });
  });

  test("knows whether a pair was followed by another token, too", () => {
    const tokens = [1, 2, 3, 0, 1, 2, 3, 5, 6, 7, 5, 6, 8, 0];
    const repeats = new Repeats(tokens, never);
    repeats.find(tokens);

    expect(repeats.isContested(1, 2, 3)).toBe(false);
    expect(repeats.isContested(1, 2, 4)).toBe(true);
    expect(repeats.isContested(5, 6, 7)).toBe(true);
    expect(repeats.isContested(8, 8, 1)).toBe(false);
  });
});
