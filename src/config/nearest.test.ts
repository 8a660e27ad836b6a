import fc from "fast-check";
import { expect, test } from "vitest";
import { nearest } from "./nearest.ts";

test.each([
  ["contxt", "context"],
  ["bodyBytes", "body_bytes"],
  ["prot", "port"],
  ["host", "host"],
])("%s is meant as %s", (typed, meant) => {
  expect(nearest(typed, ["port", "host", "context", "body_bytes"])).toBe(meant);
});

test("nothing near is not guessed", () => {
  expect(nearest("colour", ["port", "host"])).toBeUndefined();
  expect(nearest("port", [])).toBeUndefined();
});

test("one edit of a long word always leads back to it", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z]{4,12}$/), fc.nat(), fc.constantFrom("drop", "double"), (word, seed, edit) => {
      const at = seed % word.length;
      const typed = edit === "drop" ? word.slice(0, at) + word.slice(at + 1) : word.slice(0, at + 1) + word.slice(at);

      expect(nearest(typed, ["0000000000000000", word])).toBe(word);
    }),
  );
});
