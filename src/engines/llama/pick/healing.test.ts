import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Pieces } from "../file/pieces.ts";
import { Healing, tokensToHeal } from "./healing.ts";

const VOCABULARY = ["", "a", "b", "c", "ab", "abc", "abcd", " a", " ab", "cd", "\u00c3", "\u00c3\u00a9", "\u00a9"];
const piecesOf = (vocabulary: readonly string[]): Pieces =>
  new Pieces(vocabulary.length, (id) => Buffer.from(vocabulary[id] ?? "", "latin1"));
const pieces = piecesOf(VOCABULARY);
const ids = (...texts: readonly string[]): number[] => texts.map((text) => VOCABULARY.indexOf(text));
const texts = (found: readonly number[]): string[] => found.map((id) => VOCABULARY[id] ?? "?").sort();

describe("a vocabulary", () => {
  test("knows whether a token goes on behind a beginning", () => {
    expect(["a", "ab", "abc", " ", " a"].map((start) => pieces.hasLonger(start))).toEqual(Array(5).fill(true));
    expect(["abcd", "b", "cd", "x", " ab"].map((start) => pieces.hasLonger(start))).toEqual(Array(5).fill(false));
  });

  test("finds every token that agrees with a text, and no other", () => {
    const words = fc.array(fc.string({ unit: fc.constantFrom("a", "b", "\0"), maxLength: 4 }), { maxLength: 30 });
    fc.assert(
      fc.property(
        words,
        fc.string({ unit: fc.constantFrom("a", "b", "\0"), minLength: 1, maxLength: 4 }),
        (all, rest) => {
          const agreeing = all.flatMap((piece, id) =>
            piece !== "" && (piece.startsWith(rest) || rest.startsWith(piece)) ? [id] : [],
          );
          const found = piecesOf(all).agreeing(rest);
          expect([...found].sort((a, b) => a - b)).toEqual(agreeing);
          expect(piecesOf(all).hasLonger(rest)).toBe(all.some((piece) => piece.startsWith(rest) && piece !== rest));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test("is the same read in turns or at once", async () => {
    const many = Array.from({ length: 10_000 }, (_, id) => id.toString(36));
    const slow = piecesOf(many);
    slow.warm();
    await new Promise((resolve) => setImmediate(resolve));

    expect(slow.agreeing("7p")).toEqual(piecesOf(many).agreeing("7p"));
  });
});

describe("taking back", () => {
  test("goes as far as one token could spell all of it and more", () => {
    expect(tokensToHeal(ids("b", "ab"), 3, pieces)).toBe(1);
    expect(tokensToHeal(ids("c", "ab", "c"), 4, pieces)).toBe(2);
    expect(tokensToHeal(ids("a", "b", "c"), 3, pieces)).toBe(3);
    expect(tokensToHeal(ids("c", "cd"), 3, pieces)).toBe(0);
  });

  test("stops at control tokens, at the beginning of the text and inside characters", () => {
    expect(tokensToHeal(ids("ab", "", "c"), 3, pieces)).toBe(1);
    expect(tokensToHeal(ids("ab", "c"), 2, pieces)).toBe(1);
    expect(tokensToHeal([], 0, pieces)).toBe(0);
    expect(tokensToHeal(ids("a", "\u00a9"), 2, pieces)).toBe(0);
  });
});

describe("spelling again what was taken back", () => {
  test("any path through the candidates spells it, and says how much of each token the caller has", () => {
    const tail = ids("ab", "c");
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat()), (choices) => {
        const healing = new Healing(tail, pieces);
        let spelt = "";
        let covered = 0;
        for (const choice of choices) {
          if (healing.done) break;
          const candidates = healing.candidates();
          const id = candidates[choice % candidates.length] ?? -1;
          spelt += VOCABULARY[id];
          covered += healing.accept(id);
          expect(healing.bytes).toBe(3 - covered);
        }
        expect(spelt.startsWith("abc")).toBe(true);
        expect(covered).toBe(3);
      }),
    );
  });

  test("offers whole tokens before it and beyond it", () => {
    expect(texts(new Healing(ids("ab", "c"), pieces).candidates())).toEqual(["a", "ab", "abc", "abcd"]);
    expect(new Healing([], pieces).done).toBe(true);
  });

  test("offers no token behind which nothing spells the rest", () => {
    const vocabulary = ["x", "xy", "xyz", "yz", "xyzxq", "xyzx", "w"];
    const poor = piecesOf(vocabulary);
    const offered = (tail: readonly string[]) =>
      new Healing(
        tail.map((text) => vocabulary.indexOf(text)),
        poor,
      )
        .candidates()
        .map((id) => vocabulary[id]);

    // Behind "xy" only "z" would do, and no token begins with it.
    expect(offered(["xyz"]).sort()).toEqual(["x", "xyz", "xyzx", "xyzxq"]);
    expect(offered(["xy"]).sort()).toEqual(["x", "xy", "xyz", "xyzx", "xyzxq"].filter((text) => text !== ""));
  });

  test("any path ends, in any vocabulary that has the tokens taken back", () => {
    const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(
        fc.uniqueArray(word, { minLength: 1, maxLength: 12 }),
        fc.array(fc.nat(), { minLength: 1, maxLength: 4 }),
        fc.infiniteStream(fc.nat()),
        (vocabulary, tail, choices) => {
          const healing = new Healing(
            tail.map((each) => each % vocabulary.length),
            piecesOf(vocabulary),
          );
          for (const choice of choices) {
            if (healing.done) break;
            const candidates = healing.candidates();
            expect(candidates.length).toBeGreaterThan(0);
            healing.accept(candidates[choice % candidates.length] ?? -1);
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test("draws among whole tokens, unless a part is the likeliest of all", () => {
    const healing = new Healing(ids("ab", "c"), pieces);
    const logits = (likeliest: string, second: string): Float32Array =>
      Float32Array.from(VOCABULARY, (piece) =>
        piece === likeliest ? 3 : piece === second ? 2.9 : piece === "b" ? 9 : 0,
      );

    const likely = (first: string, second: string) =>
      texts(healing.likely(logits(first, second), healing.candidates()));

    expect(likely("abc", "ab")).toEqual(["abc", "abcd"]);
    expect(likely("abcd", "a")).toEqual(["abc", "abcd"]);
    expect(likely("ab", "abc")).toEqual(["ab"]);
  });
});
