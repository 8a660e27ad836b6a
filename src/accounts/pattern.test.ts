import fc from "fast-check";
import { expect, test } from "vitest";
import { fits, isPattern } from "./pattern.ts";

test.each([
  ["qwen-plus", "qwen-plus", true],
  ["qwen-plus", "qwen-plus-latest", false],
  ["qwen-plus", "Qwen-plus", false],
  ["qwen2.5-coder-*", "qwen2.5-coder-7b-instruct", true],
  ["qwen2.5-coder-*", "qwen2.5-coder-", true],
  ["qwen2.5-coder-*", "qwen2x5-coder-7b", false],
  ["*-instruct", "qwen2.5-7b-instruct", true],
  ["qwen*coder*instruct", "qwen2.5-coder-7b-instruct", true],
  ["qwen*coder*instruct", "qwen2.5-7b-instruct", false],
  ["ab*ba", "aba", false],
  ["*", "anything", true],
])("%s and %s: %s", (pattern, name, expected) => {
  expect(fits(pattern, name)).toBe(expected);
});

/** Few characters, so that they meet; those that mean something elsewhere among them. */
const abc = fc.constantFrom("a", "b", ".", "$");
const text = fc.array(abc, { maxLength: 8 }).map((letters) => letters.join(""));
const pattern = fc.array(fc.oneof(abc, fc.constant("*")), { maxLength: 8 }).map((letters) => letters.join(""));

test("a star stands for any text, everything else for itself", () => {
  const asExpression = (glob: string): RegExp => new RegExp(`^${glob.replace(/[.$]/g, "\\$&").replaceAll("*", ".*")}$`);

  fc.assert(
    fc.property(pattern, text, (glob, name) => {
      expect(fits(glob, name)).toBe(asExpression(glob).test(name));
    }),
  );
});

test("whatever is put in place of the stars fits", () => {
  fc.assert(
    fc.property(fc.array(text, { minLength: 1, maxLength: 5 }), fc.array(text, { minLength: 5 }), (parts, fillings) => {
      const name = parts.reduce((joined, part, index) => joined + (fillings[index] ?? "") + part);

      expect(fits(parts.join("*"), name)).toBe(true);
    }),
  );
});

test("many stars take no longer than their length", () => {
  expect(fits(`${"*a".repeat(99)}*b`, "a".repeat(200))).toBe(false);
});

test.each(["", "a b", "a\n", "a\u0000", "a".repeat(201)])("%j is no pattern", (wrong) => {
  expect(isPattern(wrong)).toBe(false);
});
