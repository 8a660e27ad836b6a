import fc from "fast-check";
import { expect, test } from "vitest";
import { PrefixEcho } from "./prefix-echo.ts";

function shown(prefix: string, pieces: readonly string[]): string {
  const echo = new PrefixEcho("", [prefix]);
  return pieces.map((piece) => echo.push(piece)).join("") + echo.end();
}

const TEXT = fc.string({ unit: fc.constantFrom("a", "b", "{", "春", "\ud83d", "\ude00"), maxLength: 8 });
const PIECES = fc.array(TEXT, { maxLength: 6 });

/** The same text in other pieces. */
function cut(text: string, places: readonly number[]): readonly string[] {
  const sorted = [0, ...places.map((place) => place % (text.length + 1)).sort((a, b) => a - b), text.length];
  return sorted.slice(1).map((end, index) => text.slice(sorted[index], end));
}

test("all of the prefix is taken off once, wherever the answer is cut", () => {
  fc.assert(
    fc.property(TEXT, TEXT, fc.array(fc.nat()), (prefix, rest, places) => {
      expect(shown(prefix, cut(prefix + rest, places))).toBe(rest);
    }),
  );
});

test("anything else comes out whole and in order", () => {
  fc.assert(
    fc.property(TEXT, PIECES, (prefix, pieces) => {
      const text = pieces.join("");
      fc.pre(!text.startsWith(prefix));

      expect(shown(prefix, pieces)).toBe(text);
    }),
  );
});

test("text comes out as soon as it can be no echo", () => {
  const echo = new PrefixEcho("", ["Hello"]);

  expect([echo.push("He"), echo.push("y"), echo.push("Hello")]).toEqual(["", "Hey", "Hello"]);
});
