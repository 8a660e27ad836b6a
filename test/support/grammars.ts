/** Grammars in GBNF for property tests, over few characters of all lengths in UTF-8: collisions are where the faults are. */
import fc from "fast-check";

const RULES = ["one", "two", "three"] as const;

const characters = fc.oneof(
  fc.constantFrom('"a"', '"b"', '"ab"', '"é"', '"春天"', '"🎉"', '"a🎊"'),
  fc.constantFrom("[ab]", "[a-c]", "[^a]", "[é-ü春]", "[🎉-🎊a]", "."),
);
const repetition = fc.constantFrom("", "", "?", "*", "+", "{2}", "{0,2}", "{1,3}", "{2,}");

/** @param first what every alternative begins with. */
function grammarsWith(first: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const { body } = fc.letrec<{ body: string; item: string; options: string }>((tie) => ({
    item: fc.oneof(
      { maxDepth: 1, withCrossShrink: true },
      fc.tuple(fc.oneof(characters, fc.constantFrom(...RULES)), repetition).map((parts) => parts.join("")),
      fc.tuple(tie("body"), repetition).map(([inside, sign]) => `(${inside})${sign}`),
    ),
    options: fc.array(tie("item"), { maxLength: 2 }).map((items) => items.join(" ")),
    body: fc
      .array(fc.tuple(first, tie("options")), { minLength: 1, maxLength: 2 })
      .map((options) => options.map((parts) => parts.join(" ").trim() || '""').join(" | ")),
  }));
  return fc
    .tuple(body, ...RULES.map(() => body))
    .map(([root, ...others]) =>
      [`root ::= ${root}`, ...others.map((each, index) => `${RULES[index]} ::= ${each}`)].join("\n"),
    );
}

/** Any of them: some have rules that may be empty, and rules that begin with themselves. */
export const grammars: fc.Arbitrary<string> = grammarsWith(
  fc
    .tuple(fc.oneof(characters, fc.constantFrom(...RULES), fc.constant("")), repetition)
    .map(([one, sign]) => (one === "" ? "" : one + sign)),
);

/** Those whose alternatives all begin with a character: llama.cpp reads most of them in a short time. */
export const plainGrammars: fc.Arbitrary<string> = grammarsWith(characters);
