import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Cleanup, type Surrounding } from "./cleanup.ts";

const PYTHON: Surrounding = { before: "def add(a, b):\n    ", suffix: "\n\nprint(add(1, 2))\n", isBare: true };

function clean(pieces: readonly string[], around: Surrounding = PYTHON): string {
  const cleanup = new Cleanup(around);
  return pieces.map((piece) => cleanup.push(piece)).join("") + cleanup.end();
}

/** What answers are made of, and halves of it. */
const PIECE = fc.constantFrom(
  ...["```", "```python\n", "`", "\n", "    ", "Here is", "Here is it:\n", "sure", ":", "<think>", "</think>", "<th"],
  ...["def add(a, b):\n", "return", " a + b", "春", "😀", "x"],
);
const TEXT = fc.array(PIECE, { maxLength: 10 }).map((pieces) => pieces.join(""));
const PLACES = fc.array(fc.nat(), { maxLength: 8 });
const AROUND = fc.record({ before: TEXT, suffix: TEXT, isBare: fc.boolean() });

/** The same text in other pieces, cut between characters. */
function cut(text: string, places: readonly number[]): readonly string[] {
  const characters = [...text];
  const sorted = [0, ...places.map((place) => place % (characters.length + 1)).sort((a, b) => a - b)];
  return sorted.map((from, index) => characters.slice(from, sorted[index + 1]).join(""));
}

describe("the answer to an instruction", () => {
  test("is cleaned alike, wherever it is cut", () => {
    fc.assert(
      fc.property(AROUND, TEXT, PLACES, (around, text, places) => {
        expect(clean(cut(text, places), around)).toBe(clean([text], around));
      }),
      { numRuns: 3000 },
    );
  });

  test("loses nothing where there is neither fence, talk nor echo", () => {
    const plain = fc.array(fc.constantFrom("a", "b", " ", "\n", "`", "()", "春"), { maxLength: 12 });
    fc.assert(
      fc.property(plain, PLACES, (pieces, places) => {
        const text = `y${pieces.join("").replaceAll("```", "")}`;

        expect(clean(cut(text, places), { before: "x = 1\n", suffix: "z", isBare: true })).toBe(text);
      }),
    );
  });

  test("is a piece of what was said, and a line break at most", () => {
    fc.assert(
      fc.property(AROUND, TEXT, (around, text) => {
        const cleaned = clean([text], around);
        const inner = text.includes(cleaned) ? cleaned : cleaned.slice(0, -1);

        expect(text).toContain(inner);
      }),
    );
  });

  test.each<[string, string, string]>([
    ["a fence", "```python\nreturn a + b\n```", "return a + b"],
    ["a fence and what is said behind it", "```\nreturn a + b\n```\nThis adds them.", "return a + b"],
    ["blank lines before a fence", "\n\n```py\nreturn a + b\n```\n", "return a + b"],
    ["a fence that is not closed", "```python\nreturn a + b", "return a + b"],
    ["talk", "Here is the missing code:\n\nreturn a + b", "return a + b"],
    ["talk and a fence", "Sure! The gap is:\n\n```python\nreturn a + b\n```\nHope it helps", "return a + b"],
    ["a thought", "<think>\nSimple.\n</think>\n\nreturn a + b", "return a + b"],
    ["the last line of the text before", "    return a + b", "return a + b"],
    ["all of the text before", "```python\ndef add(a, b):\n    return a + b\n```", "return a + b"],
    ["nothing of it", "return a + b", "return a + b"],
  ])("without %s", (_, said, expected) => {
    expect(clean([said])).toBe(expected);
  });

  test("whole lines keep the line break that a fence took", () => {
    const around = { before: "def f():\n", suffix: "print(f())\n", isBare: true };

    expect(clean(["```python\n    return 1\n```"], around)).toBe("    return 1\n");
  });

  test("a chat keeps its fences and its words; only an echo goes", () => {
    const around = { before: "The steps are", suffix: "", isBare: false };

    expect(clean(["Here is one:\n```\na\n```\nb"], around)).toBe("Here is one:\n```\na\n```\nb");
    expect(clean(["The ste", "ps are three."], around)).toBe(" three.");
  });

  test("comes out as soon as it is certain", () => {
    const cleanup = new Cleanup({ before: "x = 1\n", suffix: "", isBare: true });

    expect(["y", " = ", "2"].map((piece) => cleanup.push(piece))).toEqual(["y", " = ", "2"]);
  });

  test("little is held back, however long it gets", () => {
    const long = " ".repeat(10_000);
    const cleanup = new Cleanup({ before: "", suffix: "", isBare: true });

    expect(cleanup.push(long).length).toBeGreaterThan(9_700);
    expect(new Cleanup(PYTHON).push(`Sure ${"a".repeat(300)}`).length).toBe(305);
  });
});
