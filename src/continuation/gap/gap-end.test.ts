import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Brackets, unmatchedClosers } from "./brackets.ts";
import { GapEnd, type GapRule, gapBetween } from "./gap-end.ts";

interface Around {
  readonly before: string;
  readonly suffix: string;
}

interface Filled {
  readonly text: string;
  readonly rule: GapRule | undefined;
}

/** @param isWhole the weights ended the answer; otherwise a limit did. */
function fill({ before, suffix }: Around, pieces: readonly string[], isWhole = true): Filled {
  const end = new GapEnd(gapBetween(before, suffix));
  let text = "";
  for (const piece of pieces) {
    const step = end.push(piece);
    text += step.text;
    if (step.rule !== undefined) return { text, rule: step.rule };
  }
  const rest = end.end(isWhole);
  return { text: text + rest.text, rule: rest.rule };
}

/** The answer in a gap between two texts. */
const between = (before: string, suffix: string) => (answer: string, isWhole?: boolean) =>
  fill({ before, suffix }, [answer], isWhole);

describe("laws", () => {
  const SOURCE = [
    "a",
    "b",
    "return a",
    "return total",
    "else:",
    "}",
    ")",
    ";",
    ", ",
    "\n",
    "\n    ",
    "\n  ",
    "\r\n",
    " ",
    "\t",
    " ".repeat(300),
    "\n".repeat(300),
  ];
  const FOREIGN = ["```", "\n```\n", "```py\n", "<|endoftext|>", "<|end", "é春"];
  const textOf = (fragments: readonly string[]) =>
    fc.array(fc.constantFrom(...fragments), { maxLength: 12 }).map((pieces) => pieces.join(""));
  const source = textOf(SOURCE);
  const code = textOf([...SOURCE, ...FOREIGN]);
  /** Blanks for the most part, which fill the window of what is compared. */
  const blank = textOf([...SOURCE, ...Array(15).fill(" ".repeat(300)), ...Array(15).fill("\n".repeat(300))]);
  const gap = fc.record({ before: code, suffix: code });

  test("an answer that is cut into other pieces is the same answer", () => {
    fc.assert(
      fc.property(gap, fc.array(code, { maxLength: 6 }), fc.boolean(), (around, pieces, isWhole) => {
        expect(fill(around, pieces, isWhole)).toEqual(fill(around, [...pieces.join("")], isWhole));
      }),
      { numRuns: 3000 },
    );
  });

  test("what comes out is the beginning of what went in, and all of it where no rule holds", () => {
    fc.assert(
      fc.property(gap, code, fc.boolean(), (around, answer, isWhole) => {
        const { text, rule } = fill(around, [answer], isWhole);

        expect(answer.startsWith(text)).toBe(true);
        if (rule === undefined) expect(text).toBe(answer);
        else expect(text.length).toBeLessThan(answer.length);
      }),
      { numRuns: 3000 },
    );
  });

  test("what the suffix rule leaves out is, blanks aside, the suffix and what follows it", () => {
    const bare = (text: string): string => text.replace(/\s/g, "");
    fc.assert(
      fc.property(source, blank, source, (before, behind, answer) => {
        const around = { before, suffix: behind };
        const { text, rule } = fill(around, [answer]);
        if (rule !== "suffix") return;
        const [left, suffix] = [bare(answer.slice(text.length)), bare(around.suffix)];

        expect(left.startsWith(suffix) || suffix.startsWith(left) || left.startsWith(suffix.slice(0, 13))).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  test("no more is held back than a suffix, a marker and the blanks in front of them need", () => {
    fc.assert(
      fc.property(code, fc.integer({ min: 0, max: 3000 }), (before, length) => {
        const suffix = "}".repeat(4000);
        const end = new GapEnd(gapBetween(before, suffix));

        const shown = end.push("}".repeat(length)).text + end.push("\n".repeat(length)).text;

        expect(2 * length - shown.length).toBeLessThanOrEqual(560);
      }),
      { numRuns: 10 },
    );
  });
});

/** Milliseconds; what these bounds keep out took minutes. */
const BOUND_MS = 5_000;

describe("a long answer costs as much per character as a short one", () => {
  const BLANKS = " ".repeat(160_000);
  test.each([
    ["a line of blanks", "", "", BLANKS],
    ["behind a line of blanks", `${" ".repeat(4095)}x`, "", "a".repeat(40_000)],
    ["backticks", "", "", "`".repeat(160_000)],
    ["one line", "f(", ");\n", "a, ".repeat(50_000)],
    ["lines that end like the suffix", "f(", ")\n", "g(a)\n".repeat(30_000)],
    ["brackets that nothing closes", "f(", ")\n", "(\n".repeat(60_000)],
  ])("%s", (_case, before, suffix, answer) => {
    const startedAt = performance.now();

    expect(fill({ before, suffix }, [...answer], false).text.length).toBeGreaterThan(answer.length - 1_000);
    expect(performance.now() - startedAt).toBeLessThan(BOUND_MS);
  });
});

test("brackets that come in pieces match as those of the whole text", () => {
  const text = fc.string({ unit: fc.constantFrom("(", ")", "[", "]", "a"), maxLength: 8 });
  fc.assert(
    fc.property(fc.array(text, { maxLength: 4 }), text, (pieces, next) => {
      const brackets = new Brackets();
      for (const piece of pieces) brackets.push(piece);

      expect(brackets.unmatchedWith(next)).toBe(unmatchedClosers(pieces.join("") + next));
    }),
    { numRuns: 1000 },
  );
});

describe("an answer that goes on into the suffix", () => {
  const total = between("def mean(xs):\n    ", "\n    return total / len(xs)\n\n\ndef median(xs):\n    pass\n");

  test("ends in front of it, with the line break that the suffix begins with left to the suffix", () => {
    expect(total("total = sum(xs)\n    return total / len(xs)\n\n\ndef median")).toEqual({
      text: "total = sum(xs)",
      rule: "suffix",
    });
  });

  test("is recognized whatever its line ends, tabs and inner blanks are", () => {
    expect(total("total = sum(xs)\r\n\treturn total/len(xs)\r\n\r\n\r\ndef median").text).toBe("total = sum(xs)");
  });

  test("ends in front of a whole line of it, however the answer goes on behind that", () => {
    expect(total("total = sum(xs)\n    return total / len(xs)\n\nprint(mean([1]))\n")).toEqual({
      text: "total = sum(xs)",
      rule: "suffix",
    });
  });

  test("has repeated more of it where nothing else would be left of the answer", () => {
    const handled = '      logger.info("handled");\n      break;\n';
    const cases = between("switch (x) {\n    case 1:\n", `${handled}    default:\n      return false;\n  }\n`);
    const next = `${handled}    case 2:\n      return true;\n`;

    expect(cases(next)).toEqual({ text: next, rule: undefined });
    expect(cases(`${handled}    default:\n      return false;\n  }\n`)).toEqual({ text: "", rule: "suffix" });
  });

  test("ends within a line too, where the suffix begins within one", () => {
    const sum = between("def mean(numbers):\n    return ", " / len(numbers)\n\nprint(mean([1, 2, 3]))\n");

    expect(sum("sum(numbers) / len(numbers)\n\nprint(mean")).toEqual({ text: "sum(numbers)", rule: "suffix" });
    expect(sum("sum(numbers) / len(numbers)")).toEqual({ text: "sum(numbers)", rule: "suffix" });
  });

  test("is another line if it stands in another column, has another end, or goes on otherwise", () => {
    const answers = [
      "if not xs:\n        return total / len(xs)\n\n\n    total = 1",
      "total = 1\n    return total / len(xs) - 1\n",
      "total = 1\n    return total / length\n    done()\n",
      "total = 1\n    my_return total / len(xs)\n\n\ndef median(xs):\n",
    ];
    for (const answer of answers) expect(total(answer)).toEqual({ text: answer, rule: undefined });
  });

  test.each([1_100, 5_000])(
    "is not told by what stands in front of %i blanks, behind which the line goes on",
    (blanks) => {
      const far = between("x = 1\n", `total${" ".repeat(blanks)}+ 1\n`);

      expect(far("total\nmore")).toEqual({ text: "total\nmore", rule: undefined });
    },
  );

  test("is told by its last line in front of many line breaks", () => {
    expect(between("x = (\n", `)${"\n".repeat(5_000)}total = 1\n`)("1\n)\n").rule).toBe("suffix");
  });

  test("is not told by beginnings that occur anywhere", () => {
    const close = between("if (a) {\n  ", "\n}\n\nfunction next() {\n  return 1;\n}\n");

    expect(close("f();\n}\nelse {\n  g();").rule).toBeUndefined();
    expect(close("f();\n}\n\nfunction next() {\n  return 1;")).toEqual({ text: "f();", rule: "suffix" });
  });

  test("that a limit has cut keeps a tail that may be its own, and loses one that tells", () => {
    expect(total("total = 1\n    return", false)).toEqual({ text: "total = 1\n    return", rule: undefined });
    expect(total("total = 1\n    return total / len", false)).toEqual({ text: "total = 1", rule: "suffix" });
  });
});

describe("an answer that ends with the beginning of the suffix", () => {
  test("loses lines of the suffix, however short", () => {
    const area = between("const area = (w, h) => {\n  return ", ";\n};\n\nexport { area };\n");

    expect(area("w * h;\n};")).toEqual({ text: "w * h", rule: "suffix" });
    expect(area("w * h;")).toEqual({ text: "w * h", rule: "suffix" });
    expect(area("w * h")).toEqual({ text: "w * h", rule: undefined });
    const printed = between("const area = (w, h) => {\n  return ", ";\n};\n\nconsole.log(area(2, 3));\n");
    expect(printed("w * h;\n};\n\nconsole.log(area(5, 7));\n")).toEqual({ text: "w * h", rule: "suffix" });
  });

  test("keeps a bracket that closes what it or the prefix has opened", () => {
    expect(between("print(", ")\n")("max(a, b)").text).toBe("max(a, b)");
    expect(between("print(", ")\n")("a)").text).toBe("a");
    expect(between("print(max(", ")\n")("a, b)").text).toBe("a, b)");
    expect(between("f(function () {\n  if (a) {\n    ", "\n  }\n});\n")("b();\n  }\n});").text).toBe("b();");
  });

  test("keeps what only looks like it: a part of a word, an operator", () => {
    expect(between("a ", "& b)\n")("&").text).toBe("&");
    expect(between("x = ", "urn(1)\n")("u").text).toBe("u");
    expect(between("const ", "total = 1\n")("to").text).toBe("to");
  });
});

describe("an answer that leaves the source file", () => {
  const gap = between("def f():\n    return ", "\n\nprint(f())\n");

  test("ends before a fence that closes a block which nobody opened", () => {
    expect(gap("1\n```\n\nThis function returns 1.")).toEqual({ text: "1", rule: "fence" });
    expect(gap("1\n```")).toEqual({ text: "1", rule: "fence" });
  });

  test("keeps fences that it opens, and all of them in a text that has some", () => {
    const document = "Run it:\n\n```sh\nnpm start\n```\n\nThen look.";
    expect(gap(document)).toEqual({ text: document, rule: undefined });
    expect(between("```ts\n", "\n\nMore.\n")("a();\n```\n\nThat is a call.").rule).toBeUndefined();
  });

  test("ends before a control token that it spells, unless the file is about such tokens", () => {
    expect(gap("1<|fim_pad|><|fim_pad|>")).toEqual({ text: "1", rule: "marker" });
    expect(gap("1\n<|endof")).toEqual({ text: "1\n<|endof", rule: undefined });
    const far = between(`\`\`\`py\nEND = "<|endoftext|>"\n${"x = 1\n".repeat(1000)}`, "");
    expect(far('y = "<|endoftext|>"\n```\n\nRun it.').rule).toBeUndefined();
    const spelling = between('END = "<|endoftext|>"\nA = ', "\n");
    expect(spelling('"<|endoftext|>"').rule).toBeUndefined();
  });
});
