import { expect, test } from "vitest";
import { detectFim, FIM_LAYOUTS, type FimLayout, fimMarkers } from "./fim.ts";

function familyOf(...spellings: string[]): string | undefined {
  const controls = new Set(spellings);
  return detectFim((spelling) => controls.has(spelling))?.family;
}

const QWEN = [
  "<|fim_prefix|>",
  "<|fim_suffix|>",
  "<|fim_middle|>",
  "<|fim_pad|>",
  "<|repo_name|>",
  "<|file_sep|>",
  "<|endoftext|>",
  "<|im_start|>",
  "<|im_end|>",
];

test("the family is found in the vocabulary", () => {
  expect(familyOf(...QWEN)).toBe("qwen");
  expect(familyOf("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|file_separator|>")).toBe("codegemma");
  expect(familyOf("<\uFF5Cfim\u2581begin\uFF5C>", "<\uFF5Cfim\u2581hole\uFF5C>", "<\uFF5Cfim\u2581end\uFF5C>")).toBe(
    "deepseek-coder",
  );
  expect(familyOf("<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<repo_name>", "<file_sep>")).toBe("starcoder");
  expect(familyOf("<fim_prefix>", "<fim_suffix>", "<fim_middle>")).toBe("starcoder-1");
  expect(familyOf("<[fim-prefix]>", "<[fim-suffix]>", "<[fim-middle]>")).toBe("seed-coder");
  expect(familyOf("[PREFIX]", "[SUFFIX]")).toBe("codestral");
  expect(familyOf("\u2581<PRE>", "\u2581<SUF>", "\u2581<MID>")).toBe("codellama");
});

test("look-alikes and incomplete vocabularies have none", () => {
  expect(familyOf("<|fim_prefix|>", "<|fim_suffix|>")).toBeUndefined();
  expect(familyOf("<|fim_begin|>", "<|fim_hole|>", "<|fim_end|>")).toBeUndefined();
  expect(familyOf("<|im_start|>", "<|im_end|>", "<|endoftext|>")).toBeUndefined();
  expect(familyOf("[PREFIX]", "[SUFFIX")).toBeUndefined();
});

test("layouts of the configuration come first when they are listed first", () => {
  const own: FimLayout = {
    family: "mine",
    prefix: "<|fim_prefix|>",
    suffix: "<|fim_suffix|>",
    middle: "<|fim_middle|>",
    order: "spm",
    ends: [],
  };

  expect(detectFim((spelling) => QWEN.includes(spelling), [own, ...FIM_LAYOUTS])).toBe(own);
});

test("all markers of Qwen's layout are its six markers and the three ends of text and turn", () => {
  const [qwen] = FIM_LAYOUTS;

  expect(qwen?.family).toBe("qwen");
  expect([...(qwen === undefined ? [] : fimMarkers(qwen))].sort()).toEqual([...QWEN].sort());
});

test("every family is named once and its markers are distinct", () => {
  expect(new Set(FIM_LAYOUTS.map(({ family }) => family)).size).toBe(FIM_LAYOUTS.length);
  for (const { prefix, suffix, middle, repoName, fileSep } of FIM_LAYOUTS) {
    const markers = [prefix, suffix, middle, repoName, fileSep].filter((each) => each !== undefined);
    expect(new Set(markers).size).toBe(markers.length);
    expect(repoName === undefined).toBe(fileSep === undefined);
  }
});
