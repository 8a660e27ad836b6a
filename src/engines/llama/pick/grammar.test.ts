import { describe, expect, test } from "vitest";
import { ServiceError } from "../../../errors.ts";
import { Pieces } from "../file/pieces.ts";
import { CompiledGrammar, Grammar } from "./grammar.ts";

/** Words of up to three letters, and a token without text. */
const LETTERS = [..."abcdefghijklmnop"];
const WORDS = ["", ...LETTERS, ...LETTERS.flatMap((a) => LETTERS.flatMap((b) => LETTERS.map((c) => a + b + c)))];
const pieces = new Pieces(WORDS.length, (id) => Buffer.from(WORDS[id] ?? ""));
const END = 0;
const idOf = (word: string): number => WORDS.indexOf(word);
const grammarOf = (source: string): Grammar => new Grammar(new CompiledGrammar(source), pieces, [END]);

/** After `letters` characters, any of 2^60 sets of ways may be what is left. */
const HARD = `root ::= [a-p]* [a-h] ${"[a-p] ".repeat(60)}`;

function refusalOf(act: () => void): ServiceError {
  try {
    act();
  } catch (error) {
    if (error instanceof ServiceError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

test("a token is taken or refused, and asking changes nothing", () => {
  const grammar = grammarOf('root ::= "ab" [c-e]? | "aba"');

  expect(grammar.filter(["aba", "b", "a", "abc", "", "abf"].map(idOf))).toEqual(["aba", "a", "abc"].map(idOf));
  grammar.accept(idOf("a"));
  expect(() => grammar.accept(idOf("a"))).toThrow(RangeError);
  expect(() => grammarOf('root ::= "a"').accept(END)).toThrow(RangeError);
  grammar.write(Buffer.from("b"));
  expect(grammar.filter(["c", "a", "b"].map(idOf).concat(END))).toEqual(["c", "a"].map(idOf).concat(END));
});

describe("the tokens of the vocabulary that may come", () => {
  test.each(['root ::= "abc"? [d-p]', "root ::= [a-c]*", 'root ::= "q"', 'root ::= ("ab" "c" | "p")? ""', HARD])(
    "are those that may come one by one: %s",
    (source) => {
      const grammar = grammarOf(source);
      const allowed = grammar.filter(Array.from(WORDS.keys()));
      // Twice: the second time they are remembered.
      for (let time = 0; time < 2; time += 1) {
        const logits = new Float32Array(WORDS.length);

        expect(grammar.keepAllowed(logits)).toBe(allowed.length > 0);
        expect(Array.from(logits.keys()).filter((id) => logits[id] === 0)).toEqual(allowed);
      }
    },
  );
});

describe("what would take too long", () => {
  const tooMany = `root ::= ${"[a-o]? [b-p]? ".repeat(4_000)}`;

  test("is refused with the name of the rule that it is about", () => {
    const source = `root ::= "a" other "b"\nother ::= ${"[a-o]? [b-p]? ".repeat(4_000)}`;
    const grammar = grammarOf(source);
    grammar.accept(idOf("a"));
    const { code, message, detail } = refusalOf(() => grammar.keepAllowed(new Float32Array(WORDS.length)));

    expect({ code, param: detail.param }).toEqual({ code: "unsupported_input", param: "grammar" });
    expect(message).toMatch(/^The text can be read in too many ways by the rule "other" of the grammar; let/);
  });

  test("is refused while a prefix is read, for all of it at once", () => {
    const grammar = grammarOf(tooMany);

    expect(refusalOf(() => grammar.write(Buffer.from("abcdefghijklmnop".repeat(20)))).code).toBe("unsupported_input");
  });

  test("is not what an answer took in many tokens, when a new process reads it again", () => {
    const words = WORDS.filter((word) => /^[a-h]{3}$/.test(word)).slice(0, 400);
    const source = `root ::= item ("p" item){0,300}\nitem ::= ${words.map((word) => `"abcdef${word}"`).join(" | ")}`;
    const tokens = Array.from({ length: 300 }, (_, index) => words[(index * 7) % 400] ?? "").flatMap((word) =>
      ["abc", "def", word, "p"].map(idOf),
    );
    const generating = grammarOf(source);
    for (const id of tokens) if (generating.allows(id)) generating.accept(id);
    expect(generating.allows(idOf("a"))).toBe(true);

    const resumed = grammarOf(source);
    for (const id of tokens) resumed.accept(id);

    expect(resumed.allows(idOf("a"))).toBe(true);
  });

  test("is done in part: single tokens may still be asked about", () => {
    const grammar = grammarOf(tooMany);

    expect(grammar.allows(idOf("abc"))).toBe(true);
    expect(grammar.allows(idOf("nop"))).toBe(true);
  });
});

test("a vocabulary in the order of its bytes holds every token with text once", () => {
  const { ids, shared, bytes, starts } = pieces.sorted();
  const words = Array.from(ids, (id) => Buffer.from(bytes.subarray(starts[id], starts[id + 1])).toString());

  expect(words).toEqual(WORDS.slice(1).sort());
  words.forEach((word, index) => {
    const before = words[index - 1] ?? "";
    const common = [...word].findIndex((letter, at) => letter !== before[at]);
    expect(shared[index]).toBe(common < 0 ? word.length : common);
  });
});
