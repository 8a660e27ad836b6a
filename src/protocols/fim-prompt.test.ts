import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { refusal } from "../../test/support/protocol-call.ts";
import { parsePrompt, promptWithSuffix } from "./fim-prompt.ts";

const P = "<|fim_prefix|>";
const S = "<|fim_suffix|>";
const M = "<|fim_middle|>";
const NO_PREFIX = "Generating a prefix from a suffix only is not supported, the prefix must not be empty.";
const malformed = (what: string): string => `The prompt has a malformed marker sequence: ${what}.`;

const parse = (prompt: string): unknown => parsePrompt(prompt, 8191);
const infill = (fields: object): object => ({
  kind: "infill",
  context: [],
  prefix: "",
  suffix: "",
  middle: "",
  ...fields,
});

describe("prompt forms of docs/wire.md 3.2", () => {
  test.each([
    ["1 prefix only", `${P}def f():${S}`, { prefix: "def f():", writtenMarkers: 2 }],
    ["2 prefix and suffix", `${P}a\n${S}\nb${M}`, { prefix: "a\n", suffix: "\nb", writtenMarkers: 3 }],
    ["2a end of file", `${P}a${S}${M}`, { prefix: "a", writtenMarkers: 3 }],
    ["6 text after the middle", `${P}a${S}b${M} c`, { prefix: "a", suffix: "b", middle: " c", writtenMarkers: 3 }],
    ["6 on form 1", `${P}a${S}${M}c`, { prefix: "a", middle: "c", writtenMarkers: 3 }],
    ["7 middle forgotten", `${P}a${S}b`, { prefix: "a", suffix: "b", writtenMarkers: 2 }],
    [
      "8a text before",
      `# other\n${P}a${S}b${M}`,
      { context: [{ text: "# other\n" }], prefix: "a", suffix: "b", writtenMarkers: 3 },
    ],
    ["8b suffix first", `${S}b${P}a${M}`, { prefix: "a", suffix: "b", writtenMarkers: 3 }],
    ["8b without middle", `${S}b${P}a`, { prefix: "a", suffix: "b", writtenMarkers: 2 }],
    ["8b with text after the middle", `${S}b${P}a${M}c`, { prefix: "a", suffix: "b", middle: "c", writtenMarkers: 3 }],
    ["blanks are kept", `${P} \t\n${S}\n ${M}`, { prefix: " \t\n", suffix: "\n ", writtenMarkers: 3 }],
  ])("%s", (_, prompt, fields) => {
    expect(parse(prompt)).toEqual(infill(fields));
  });

  test("8 repository form: the files before the prefix marker are context", () => {
    const prompt = `<|repo_name|>demo\n<|file_sep|>a.py\nA = 1\n<|file_sep|>b.py\n${P}x = ${S}\n${M}`;

    expect(parse(prompt)).toEqual(
      infill({
        context: [
          { control: "<|repo_name|>" },
          { text: "demo\n" },
          { control: "<|file_sep|>" },
          { text: "a.py\nA = 1\n" },
          { control: "<|file_sep|>" },
          { text: "b.py\n" },
        ],
        prefix: "x = ",
        suffix: "\n",
        writtenMarkers: 3,
      }),
    );
  });

  test("material before the prefix marker counts as prefix", () => {
    const context = [{ control: "<|file_sep|>" }, { text: "b.py\n" }];

    expect(parse(`<|file_sep|>b.py\n${P}${S}b${M}`)).toEqual(infill({ context, suffix: "b", writtenMarkers: 3 }));
    expect(parse(`a${P}${S}`)).toEqual(infill({ context: [{ text: "a" }], writtenMarkers: 2 }));
  });

  test("4 text without markers is continued as it is, other control tokens in place", () => {
    expect(parse("plain <|not_a_token|>")).toEqual({ kind: "text", parts: [{ text: "plain <|not_a_token|>" }] });
    expect(parse("a<|endoftext|><|im_start|>b")).toEqual({
      kind: "text",
      parts: [{ text: "a" }, { control: "<|endoftext|>" }, { control: "<|im_start|>" }, { text: "b" }],
    });
    expect(parse("<|repo_name|>r\n<|file_sep|>a.py\nx")).toMatchObject({ kind: "text" });
  });

  test.each([
    ["3 suffix only", `${P}${S}b${M}`, NO_PREFIX],
    ["3 without prefix marker", `${S}b${M}`, NO_PREFIX],
    ["3 without prefix and middle marker", `${S}b`, NO_PREFIX],
    ["3 suffix first", `${S}b${P}${M}`, NO_PREFIX],
    ["9 prefix twice", `${P}a${P}b${S}`, malformed(`"${P}" occurs more than once`)],
    ["9 suffix twice", `${P}a${S}b${S}c${M}`, malformed(`"${S}" occurs more than once`)],
    ["9 middle twice", `${P}a${S}b${M}c${M}`, malformed(`"${M}" occurs more than once`)],
    ["9 prefix without suffix", `${P}a`, malformed(`"${P}" without "${S}"`)],
    ["9 prefix and middle without suffix", `${P}a${M}`, malformed(`"${P}" without "${S}"`)],
    ["9 middle first", `${M}${P}a${S}b`, malformed(`"${M}" stands before "${P}"`)],
    ["9 middle between", `${P}a${M}${S}b`, malformed(`"${M}" stands before "${S}"`)],
    ["9 middle alone", `a${M}`, malformed(`"${M}" without "${P}" and "${S}"`)],
    ["9 text, then a suffix", `a${S}b${M}`, malformed(`"${S}" without "${P}"`)],
    ["a turn in the prefix", `${P}a<|im_start|>b${S}`, malformed(`"<|im_start|>" stands after "${P}"`)],
    ["a file in the suffix", `${P}a${S}b<|file_sep|>${M}`, malformed(`"<|file_sep|>" stands after "${S}"`)],
    ["10 nothing", "", "Range of input length should be [1, 8191]"],
    ["10 markers only", `${P}${S}`, "Range of input length should be [1, 8191]"],
    ["10 three markers only", `${P}${S}${M}`, "Range of input length should be [1, 8191]"],
    ["10 suffix markers only", `${S}${M}`, "Range of input length should be [1, 8191]"],
  ])("%s is refused", (_, prompt, message) => {
    expect(refusal(() => parse(prompt))).toEqual(["invalid_parameter", message, "prompt"]);
  });
});

describe("the suffix field (form 5)", () => {
  const strict = { allowsEmptyPrefix: false };

  test("prompt and suffix are an infill without written markers; control spellings in the suffix stay text", () => {
    expect(promptWithSuffix("a ", `${M}<|im_end|>`, strict)).toEqual(
      infill({ prefix: "a ", suffix: `${M}<|im_end|>`, writtenMarkers: 0 }),
    );
  });

  test("files before the last one and its path line are context", () => {
    expect(promptWithSuffix("<|file_sep|>a.py\nA\n<|file_sep|>b.py\nx = ", "\n", strict)).toEqual(
      infill({
        context: [{ control: "<|file_sep|>" }, { text: "a.py\nA\n" }, { control: "<|file_sep|>" }, { text: "b.py\n" }],
        prefix: "x = ",
        suffix: "\n",
        writtenMarkers: 0,
      }),
    );
  });

  test("markers in the prompt and an empty prompt are refused", () => {
    const message = "The suffix parameter cannot be used with fill-in-the-middle markers in the prompt.";

    expect(refusal(() => promptWithSuffix(`${P}a${S}`, "b", strict))).toEqual(["invalid_parameter", message, "suffix"]);
    expect(refusal(() => promptWithSuffix("", "b", strict))).toEqual(["invalid_parameter", NO_PREFIX, "prompt"]);
  });

  test("an empty prompt is the top of a file where the dialect allows it", () => {
    expect(promptWithSuffix("", "b", { allowsEmptyPrefix: true })).toEqual(infill({ suffix: "b", writtenMarkers: 0 }));
  });
});

describe("laws", () => {
  // Pieces that look like the beginning or end of a marker are where a splitter goes wrong.
  const text = fc
    .array(fc.constantFrom("a", "\n", "<|", "|>", "<", "fim_prefix", "fim_suffix", "你", "😀", "<|fim_prefix"), {
      maxLength: 8,
    })
    .map((pieces) => pieces.join(""))
    .filter(
      (joined) => !/<\|(fim_(prefix|suffix|middle|pad)|repo_name|file_sep|endoftext|im_start|im_end)\|>/.test(joined),
    );

  test("a prompt built from prefix, suffix and middle gives them back byte for byte", () => {
    const nonEmpty = text.filter((piece) => piece !== "");
    fc.assert(
      fc.property(nonEmpty, text, text, fc.boolean(), (prefix, suffix, middle, isSuffixFirst) => {
        const body = isSuffixFirst ? `${S}${suffix}${P}${prefix}` : `${P}${prefix}${S}${suffix}`;

        expect(parse(`${body}${M}${middle}`)).toEqual(infill({ prefix, suffix, middle, writtenMarkers: 3 }));
      }),
      { numRuns: 2000 },
    );
  });

  test("the parts of a text, joined, are the text", () => {
    const controls = fc.constantFrom("<|endoftext|>", "<|file_sep|>", "<|repo_name|>", "<|im_end|>", "a", "<|");
    fc.assert(
      fc.property(fc.array(controls, { minLength: 1 }), (pieces) => {
        const prompt = pieces.join("");
        const parsed = parsePrompt(prompt, 8191);

        if (parsed.kind !== "text") throw new Error("no marker was written");
        expect(parsed.parts.map((part) => ("text" in part ? part.text : part.control)).join("")).toBe(prompt);
      }),
    );
  });

  test("any sequence of markers and text is either refused with a message or accounted for completely", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(P, S, M, "a", "b", "<|file_sep|>"), { minLength: 1 }), (pieces) => {
        let parsed: ReturnType<typeof parsePrompt>;
        try {
          parsed = parsePrompt(pieces.join(""), 8191);
        } catch (error) {
          expect(String(error)).toMatch(/malformed marker|suffix only|Range of input length/);
          return;
        }
        if (parsed.kind === "text") {
          expect(pieces.some((piece) => [P, S, M].includes(piece))).toBe(false);
          return;
        }
        const letters = pieces.filter((piece) => /^[ab]$/.test(piece)).length;
        const context = parsed.context.map((part) => ("text" in part ? part.text : "")).join("");
        expect((context + parsed.prefix + parsed.suffix + parsed.middle).length).toBe(letters);
      }),
      { numRuns: 2000 },
    );
  });
});
