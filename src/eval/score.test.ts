import fc from "fast-check";
import { expect, test } from "vitest";
import type { InfillCase, Kind } from "./infill-case.ts";
import type { Style } from "./request.ts";
import { type Answer, goesOnInto, type Score, scoreOf, similarity } from "./score.ts";

const SUFFIX = "\n\ndef total(numbers):\n    return sum(numbers)\n";

function caseOf(kind: Kind, middle: string, suffix = SUFFIX): InfillCase {
  return { id: "1", language: "python", kind, prefix: "def add(a, b):\n    ", middle, suffix };
}

function score(infill: InfillCase, text: string, style: Style = "suffix", finish = "stop"): Score {
  const answer: Answer = { text, finish, firstMs: 1, lastMs: 2, tokens: 3 };
  return scoreOf(infill, style, answer);
}

test("blanks at the end make no difference, blanks anywhere else do", () => {
  const infill = caseOf("single-line", "return a + b");

  expect(score(infill, "return a + b \n\n").exact).toBe(true);
  expect(score(infill, " return a + b").exact).toBe(false);
  expect(score(infill, "return a  + b").exact).toBe(false);
});

test("a first line that is right counts for itself where the answer goes on", () => {
  const infill = caseOf("single-line", "return a + b");

  expect(score(infill, "return a + b\n    print(a)")).toMatchObject({ exact: false, firstLine: true });
  expect(score(caseOf("multi-line", "return a"), "return a")).not.toHaveProperty("firstLine");
});

test("a cut word is right when it is complete, whatever follows", () => {
  const infill = caseOf("mid-word", "turn_value(a)");

  expect(score(infill, "turn_value + 1")).toMatchObject({ word: true, exact: false });
  expect(score(infill, "turn_values(a)").word).toBe(false);
  expect(score(infill, "turn").word).toBe(false);
});

test("only an answer that the model ended stops by itself; raw text has no end", () => {
  const infill = caseOf("single-line", "pass");

  expect(score(infill, "pass").stops).toBe(true);
  expect(score(infill, "pass", "suffix", "length").stops).toBe(false);
  expect(score(infill, "pass", "raw")).not.toHaveProperty("stops");
});

test("raw text is as long as the middle: in lines, of a span in characters", () => {
  expect(score(caseOf("multi-line", "a = 1\nb = 2"), "a = 1\nb = 2\nc = 3", "raw").exact).toBe(true);
  expect(score(caseOf("random-span", "a = 1"), "a = 1 + 2", "raw").exact).toBe(true);
  expect(score(caseOf("multi-line", "a = 1\nb = 2"), "a = 1\nb = 2\nc = 3").exact).toBe(false);
});

test.each([
  ["the suffix after the middle", "return a + b\n\ndef total(numbers):\n    ret", true],
  ["its beginning at the end", "return a + b\ndef total(", true],
  ["too little of it", "return a + b\ndef tot", false],
  ["its beginning in the middle of other text", "def total(x)\nreturn a + b", false],
  ["the middle alone", "return a + b", false],
])("going on into the suffix: %s", (_name, text, repeats) => {
  expect(score(caseOf("single-line", "return a + b"), text).repeats).toBe(repeats);
});

test("a middle that is like its suffix does not make a right answer a repetition", () => {
  const infill = caseOf("single-line", "def total(numbers):");

  expect(score(infill, "def total(numbers):")).toMatchObject({ exact: true, repeats: false });
});

test("any text with a long suffix behind it goes on into that suffix", () => {
  fc.assert(
    fc.property(fc.string(), fc.string({ minLength: 8 }), (text, suffix) => {
      fc.pre(suffix.replaceAll(/\s/g, "").length >= 8);

      expect(goesOnInto(text + suffix, suffix)).toBe(true);
    }),
  );
});

test("control tokens in the text are found unless the case itself has them", () => {
  const infill = caseOf("single-line", "return a");

  expect(score(infill, "return a<|endoftext|><|fim_pad|>").leaked).toEqual(["<|endoftext|>", "<|fim_pad|>"]);
  expect(score(infill, "return a<fim_middle></s>").leaked).toEqual(["<fim_middle>", "</s>"]);
  expect(score(infill, "return a <b> | c").leaked).toEqual([]);
  expect(score(caseOf("single-line", 'return "</s>"'), 'return "</s>"').leaked).toEqual([]);
});

test("similarity is 1 for the same text only, the same both ways, and 0 for nothing in common", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 8 });
  fc.assert(
    fc.property(text, text, (a, b) => {
      const value = similarity(a, b);

      expect(value).toBeGreaterThanOrEqual(0);
      expect(value === 1).toBe(a === b);
      expect(value).toBe(similarity(b, a));
    }),
  );
  expect(similarity("aaaa", "bbbb")).toBe(0);
  expect(similarity("abcd", "abxd")).toBe(0.75);
});
