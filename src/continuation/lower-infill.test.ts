import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  anyText,
  CODESTRAL,
  control,
  counted,
  infill,
  joined,
  layout,
  PLAIN,
  partsOf,
  QWEN,
  refusal,
  rolesOf,
  text,
} from "../../test/support/lowering.ts";
import { FIM_LAYOUTS, type FimLayout } from "./fim.ts";
import { gapBetween } from "./gap/gap-end.ts";
import type { Infill, PromptPart } from "./input.ts";
import { lower, type Weights } from "./lower.ts";

const anyLayout = fc
  .tuple(fc.constantFrom(...FIM_LAYOUTS), fc.constantFrom(undefined, "line" as const, "prefix" as const))
  .map(([fim, behindMiddle]): FimLayout => (behindMiddle === undefined ? fim : { ...fim, behindMiddle }));

describe("infill", () => {
  test("prefix, suffix and middle in the order of the weights", () => {
    expect(joined(lower(infill({}), QWEN))).toBe("<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>");
    expect(joined(lower(infill({}), { ...QWEN, fim: { ...layout("qwen"), order: "spm" } }))).toBe(
      "<|fim_suffix|>S<|fim_prefix|>P<|fim_middle|>",
    );
    expect(joined(lower(infill({}), CODESTRAL))).toBe("<s>[SUFFIX]S[PREFIX]P");
    expect(joined(lower(infill({ middle: "M" }), CODESTRAL))).toBe("<s>[SUFFIX]S[PREFIX]PM");
  });

  test("the line of the cursor, or all of the prefix, behind the middle marker where the weights are used so", () => {
    const behind = (behindMiddle: "line" | "prefix", over: Partial<Infill>): string =>
      joined(lower(infill(over), { ...QWEN, fim: { ...layout("qwen"), behindMiddle } }));

    expect(behind("line", { prefix: "a\nb\n\n  c(" })).toBe("<|fim_prefix|>a\nb<|fim_suffix|>S<|fim_middle|>\n\n  c(");
    expect(behind("line", { prefix: "ab" })).toBe("<|fim_prefix|><|fim_suffix|>S<|fim_middle|>ab");
    expect(behind("line", { prefix: "a\nb\n", middle: "M" })).toBe(
      "<|fim_prefix|>a\nb<|fim_suffix|>S<|fim_middle|>\nM",
    );
    expect(behind("prefix", { prefix: "a\nb" })).toBe("<|fim_prefix|><|fim_suffix|>S<|fim_middle|>a\nb");
    expect(behind("prefix", { prefix: "a\nb", middle: "M" })).toBe("<|fim_prefix|><|fim_suffix|>S<|fim_middle|>a\nbM");
  });

  test("a line too long to be typed stays before the suffix, and a layout without a middle marker puts nothing behind it", () => {
    const long = "x".repeat(1001);
    const line = { behindMiddle: "line" } as const;

    expect(joined(lower(infill({ prefix: `a\n${long}` }), { ...QWEN, fim: { ...layout("qwen"), ...line } }))).toBe(
      `<|fim_prefix|>a\n${long}<|fim_suffix|>S<|fim_middle|>`,
    );
    expect(joined(lower(infill({ prefix: "a\nb" }), { ...CODESTRAL, fim: { ...layout("codestral"), ...line } }))).toBe(
      "<s>[SUFFIX]S[PREFIX]a\nb",
    );
  });

  test("what stands behind the middle marker is cut like a prefix, and is what healing goes back into", () => {
    const prompt = lower(infill({ prefix: "a\nbc" }), { ...QWEN, fim: { ...layout("qwen"), behindMiddle: "line" } });

    expect(rolesOf(prompt)).toBe("fixed prefix fixed suffix fixed prefix");
    expect(prompt.heal).toEqual({ section: prompt.sections.length - 1, bytes: 3, byDefault: true });
  });

  test("an infill says what stands around its gap, and how likely its end has to be made", () => {
    const gap = (over: Partial<Infill>, fim: Partial<FimLayout> = {}) =>
      lower(infill({ prefix: "P", suffix: "S", ...over }), { ...QWEN, fim: { ...layout("qwen"), ...fim } }).gap;

    expect(gap({})).toEqual({ ...gapBetween("P", "S"), endBias: 0, byDefault: true });
    expect(gap({}, { endBias: 6.5 })).toMatchObject({ endBias: 6.5 });
    expect(gap({ middle: "M" })).toMatchObject({ before: "PM" });
    expect(gap({ suffix: " \n" }, { endBias: 6.5 })).toMatchObject({ endBias: 0 });
    expect(gap({}, { gapEnd: false, endBias: 2 })).toMatchObject({ endBias: 2, byDefault: false });
    expect(gap({ prefix: "p".repeat(9000), suffix: "s".repeat(9000) })).toMatchObject({
      before: "p".repeat(4096),
      suffix: "s".repeat(4096),
    });
  });

  test("the beginning of the middle stands behind its marker and is not cut", () => {
    const prompt = lower(infill({ middle: "M" }), QWEN);

    expect(joined(prompt)).toBe("<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>M");
    expect(rolesOf(prompt)).toBe("fixed prefix fixed suffix fixed fixed");
  });

  test("what stands before the prefix stays before it, and markers in it are the weights' own", () => {
    const context = [control("<|repo_name|>"), text("r\n"), control("<|file_sep|>"), text("f.py\n")] as PromptPart[];

    const qwen = lower(infill({ context }), QWEN);
    expect(joined(qwen)).toBe("<|repo_name|>r\n<|file_sep|>f.py\n<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>");
    expect(rolesOf(qwen)).toBe("fixed context fixed context fixed prefix fixed suffix fixed");

    const starcoder: Weights = {
      ...PLAIN,
      controls: new Set(["<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<repo_name>", "<file_sep>"]),
      fim: layout("starcoder"),
    };
    expect(joined(lower(infill({ context }), starcoder))).toBe(
      "<repo_name>r\n<file_sep>f.py\n<fim_prefix>P<fim_suffix>S<fim_middle>",
    );
  });

  test("suffix first, the material in front stays in front, and a suffix that is empty keeps its marker", () => {
    const spm: Weights = { ...QWEN, fim: { ...layout("qwen"), order: "spm" } };
    const context = [control("<|repo_name|>"), text("r\n"), control("<|file_sep|>"), text("f.py\n")] as PromptPart[];

    const repository = lower(infill({ context }), spm);

    expect(joined(repository)).toBe("<|repo_name|>r\n<|file_sep|>f.py\n<|fim_suffix|>S<|fim_prefix|>P<|fim_middle|>");
    expect(rolesOf(repository)).toBe("fixed context fixed context fixed suffix fixed prefix fixed");
    expect(joined(lower(infill({ suffix: "" }), spm))).toBe("<|fim_suffix|><|fim_prefix|>P<|fim_middle|>");
  });

  test("markers spelt in prefix, suffix and middle are text", () => {
    const parts = partsOf(lower(infill({ prefix: "<|fim_middle|>", suffix: "<|im_start|>", middle: "</s>" }), QWEN));

    expect(parts).toEqual([
      control("<|fim_prefix|>"),
      text("<|fim_middle|>"),
      control("<|fim_suffix|>"),
      text("<|im_start|>"),
      control("<|fim_middle|>"),
      text("</s>"),
    ]);
  });

  test("prefix, suffix and middle are in the prompt unchanged, for every layout", () => {
    fc.assert(
      fc.property(anyLayout, anyText(), anyText(), anyText(), (fim, prefix, suffix, middle) => {
        const weights: Weights = { ...PLAIN, fim };
        const { sections } = lower(infill({ prefix, suffix, middle }), weights);

        const texts = (role: string) =>
          sections
            .flatMap((each) => (each.role === role ? each.parts : []))
            .map((part) => ("text" in part ? part.text : ""));
        expect([...texts("prefix"), ...texts("fixed")].join("")).toBe(prefix + middle);
        expect(texts("suffix").join("")).toBe(suffix);
      }),
      { numRuns: 2000 },
    );
  });

  /** docs/wire.md 3.2: every token of the texts, one per marker the caller wrote, none for what was added or moved. */
  test.each([
    ["form 1: no middle marker, no suffix", { suffix: "", writtenMarkers: 2 }, 1 + 2],
    ["form 2", {}, 1 + 1 + 3],
    ["form 2a: no suffix", { suffix: "", writtenMarkers: 3 }, 1 + 3],
    ["form 5: a suffix field and no marker at all", { writtenMarkers: 0 }, 1 + 1],
    ["form 6: text behind the middle marker", { middle: "MM" }, 1 + 1 + 2 + 3],
    ["form 7: the middle marker forgotten", { writtenMarkers: 2 }, 1 + 1 + 2],
    [
      "form 8: two repository markers",
      { context: [control("<|repo_name|>"), text("r"), control("<|file_sep|>"), text("f")] as PromptPart[] },
      4 + 1 + 1 + 3,
    ],
    ["form 8a: other text in front", { context: [text("xxx")] }, 3 + 1 + 1 + 3],
  ])("%s counts what the caller wrote", (_form, over, expected) => {
    for (const weights of [
      QWEN,
      { ...QWEN, fim: { ...layout("qwen"), order: "spm" as const } },
      { ...QWEN, bos: "<|endoftext|>" },
    ]) {
      expect(counted(lower(infill(over), weights))).toBe(expected);
    }
  });

  test("a layout with fewer markers counts what the caller wrote all the same", () => {
    expect(counted(lower(infill({}), CODESTRAL))).toBe(1 + 1 + 3);
    expect(counted(lower(infill({ writtenMarkers: 0, suffix: "" }), CODESTRAL))).toBe(1);
  });

  test("without a layout and without a suffix it is a continuation of what stands before the gap", () => {
    const prompt = lower(infill({ context: [text("C")], suffix: "", middle: "M", writtenMarkers: 2 }), PLAIN);

    expect(partsOf(prompt)).toEqual([text("CPM")]);
    expect(counted(prompt)).toBe(3 + 2);
  });

  test("without a layout a suffix is refused", () => {
    expect(refusal(() => lower(infill({}), PLAIN))).toMatchObject({
      code: "unsupported_input",
      detail: { param: "suffix" },
      message: expect.stringContaining('"plain"'),
    });
  });
});
