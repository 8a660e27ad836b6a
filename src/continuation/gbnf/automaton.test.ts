import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GbnfGrammar } from "../../../test/support/gbnf.ts";
import { grammars } from "../../../test/support/grammars.ts";
import { Automaton } from "./automaton.ts";
import { Cursor } from "./cursor.ts";
import { GrammarError } from "./expression.ts";
import { parseGrammar } from "./parse.ts";
import { programOf } from "./program.ts";
import { TooMuchWork, Work } from "./stacks.ts";

const automatonOf = (source: string): Automaton => new Automaton(programOf(parseGrammar(source)));
const ALLOWED = 1_000_000;

/** Whether the grammar takes the whole text. */
function takes(automaton: Automaton, text: string, work = new Work(ALLOWED)): boolean {
  const cursor = new Cursor(automaton, work);
  return Buffer.from(text).every((byte) => cursor.take(byte)) && cursor.mayEnd;
}

/** Undefined: a rule begins with itself. */
function readable(source: string): Automaton | undefined {
  try {
    return automatonOf(source);
  } catch (error) {
    if (error instanceof GrammarError && /begins with itself/.test(error.message)) return undefined;
    throw error;
  }
}

test("what a grammar takes is what a search through all its ways finds", () => {
  const texts = fc.array(
    fc.string({ unit: fc.constantFrom("a", "b", "c", "é", "春", "天", "🎉", "🎊"), maxLength: 5 }),
    {
      minLength: 10,
    },
  );
  fc.assert(
    fc.property(grammars, texts, (source, each) => {
      const automaton = readable(source);
      if (automaton === undefined) return;
      const searched = new GbnfGrammar(source);

      for (const text of each) {
        const taken = takesOrGivesUp(automaton, text);
        if (taken !== undefined) expect(taken, text).toBe(searched.admits(text));
      }
    }),
    { numRuns: 500 },
  );
});

describe("repetitions of repetitions", () => {
  test.each(["?", "*", "+", "{1}", "?*+"])("a long row of %s is as good as a short one", (sign) => {
    const row = automatonOf(`root ::= "a"${sign.repeat(20_000)}`);
    const pair = automatonOf(`root ::= "a"${sign.repeat(2)}`);

    for (const text of ["", "a", "aa", "aaa"]) expect(takes(row, text), text).toBe(takes(pair, text));
  });

  test("of numbers are refused where there are too many", () => {
    expect(() => parseGrammar(`root ::= "a"${"{0,2}".repeat(5_000)}`)).toThrow(
      "line 1, column 1022: more than 200 repetitions of repetitions",
    );
  });
});

test("bytes that begin no character are never taken", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 6 }), (bytes) => {
      const cursor = new Cursor(automatonOf("root ::= .*"), new Work(ALLOWED));
      const isTaken = bytes.every((byte) => cursor.take(byte));

      expect(isTaken).toBe(isBeginning(bytes));
      expect(isTaken && cursor.mayEnd).toBe(Buffer.from(Buffer.from(bytes).toString()).equals(bytes));
    }),
    { numRuns: 1000 },
  );
});

/** Undefined: some of the grammars made up here are endlessly ambiguous, and one such was seen to need too much work. */
function takesOrGivesUp(automaton: Automaton, text: string): boolean | undefined {
  try {
    return takes(automaton, text);
  } catch (error) {
    if (error instanceof TooMuchWork) return undefined;
    throw error;
  }
}

function isBeginning(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

test("states that were forgotten are found again", () => {
  const automaton = automatonOf("root ::= [a-z]{0,60000}");
  const cursor = new Cursor(automaton, new Work(Number.POSITIVE_INFINITY));
  let forgotten = 0;
  for (let count = 0; count < 60_000; count += 1) {
    const kept = automaton.kept(cursor.state);
    if (kept !== cursor.state) forgotten += 1;
    cursor.state = kept;
    if (!cursor.take(0x61)) throw new Error(`the letter ${count} is refused`);
  }

  expect(forgotten).toBeGreaterThan(0);
  expect(cursor.take(0x61)).toBe(false);
});

describe("work", () => {
  const optional = (count: number, part = "[a-z]? "): string => `root ::= ${part.repeat(count)}`;
  const different = "[a-z]? [b-z]? ";
  const letters = fc.constantFrom(
    "a",
    "b",
    "(",
    ")",
    "|",
    "*",
    "+",
    "?",
    "{0,30}",
    "[ab]",
    ".",
    '"a"',
    "one",
    "two",
    " ",
  );
  const nasty = fc
    .tuple(fc.array(letters, { maxLength: 60 }), fc.array(letters, { maxLength: 60 }), fc.nat(40))
    .map(
      ([one, two, times]) =>
        `root ::= ${"one? ".repeat(times)} two*\none ::= ${one.join("")}\ntwo ::= "a" ${two.join("")}`,
    );

  test.each([50, 1_000, 9_000])("%d optional parts are one repetition", (count) => {
    expect(takes(automatonOf(optional(count)), "abcdefghijklmnop", new Work(1_000))).toBe(true);
  });

  test.each([25, 500, 4_000])("%d pairs of different optional parts cost as much as they are for a letter", (count) => {
    const automaton = automatonOf(optional(count, different));

    expect(takes(automaton, "abcdefghijklmnop", new Work(40 * count * 16))).toBe(true);
    // The same word again is in a table.
    expect(takes(automaton, "abcdefghijklmnop", new Work(0))).toBe(true);
  });

  test("a grammar of any shape takes a word within the bound, or says that it cannot", () => {
    fc.assert(
      fc.property(
        fc.oneof(grammars, nasty),
        fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 40 }),
        (source, text) => {
          try {
            takes(automatonOf(source), text);
          } catch (error) {
            if (!(error instanceof GrammarError || error instanceof TooMuchWork)) throw error;
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("endless ambiguity is polynomial", () => {
    const automaton = automatonOf('root ::= one\none ::= "a" one one | "a" one | "a"');

    expect(takes(automaton, "a".repeat(200), new Work(10_000_000))).toBe(true);
  });

  test("a step beyond what is allowed is given up", () => {
    expect(() => takes(automatonOf(optional(5_000, different)), "a", new Work(1_000))).toThrow(TooMuchWork);
  });
});
