import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { TokenLogprob } from "../continuation/output.ts";
import { LegacyLogprobsPrinter } from "./logprobs.ts";

const bytes = (text: string): number[] => [...Buffer.from(text)];

describe("the legacy form", () => {
  test("text offsets point at the character in which each token begins, however bytes are cut into tokens", () => {
    const text = fc.string({ unit: "binary", minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(text, fc.array(fc.nat(3)), fc.nat(8), (given, cuts, printedFirst) => {
        const pieces = cut(bytes(given), cuts);
        const tokens = pieces.map((piece): TokenLogprob => ({ token: "?", bytes: piece, logprob: -1, top: [] }));

        const printer = new LegacyLogprobsPrinter();
        const first = printer.print(tokens.slice(0, printedFirst), 0).text_offset;
        const rest = printer.print(tokens.slice(printedFirst), 0).text_offset;

        const starts = pieces.map((_, index) => pieces.slice(0, index).flat().length);
        expect([...first, ...rest]).toEqual(starts.map((at) => characterAt(given, at)));
      }),
      { numRuns: 1000 },
    );
  });

  test("the chosen token stands beside the alternatives, and the likelier of two same spellings stays", () => {
    const token = (text: string, logprob: number): Omit<TokenLogprob, "top"> => ({ token: text, bytes: [], logprob });
    const top = [token("\uFFFD", -0.1), token("\uFFFD", -0.2), token("b", -0.3)];
    const print = (alternatives: number): unknown =>
      new LegacyLogprobsPrinter().print([{ ...token("a", -3), top }], alternatives).top_logprobs;

    expect(print(0)).toEqual([{ a: -3 }]);
    expect(print(2)).toEqual([{ "\uFFFD": -0.1, a: -3 }]);
    expect(print(5)).toEqual([{ "\uFFFD": -0.1, b: -0.3, a: -3 }]);
  });
});

/** Pieces of 1 to 4 bytes. */
function cut(all: readonly number[], cuts: readonly number[]): number[][] {
  const pieces: number[][] = [];
  for (let at = 0; at < all.length; ) {
    const size = 1 + (cuts[pieces.length] ?? 0);
    pieces.push(all.slice(at, at + size));
    at += size;
  }
  return pieces;
}

/** Index of the code point that holds the byte. */
function characterAt(text: string, byte: number): number {
  let end = 0;
  return [...text].findIndex((character) => {
    end += bytes(character).length;
    return byte < end;
  });
}
