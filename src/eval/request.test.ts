import { expect, test } from "vitest";
import type { InfillCase } from "./infill-case.ts";
import { completionBody, type Setting } from "./request.ts";

const CASE: InfillCase = { id: "1", language: "python", kind: "single-line", prefix: "P", middle: "M", suffix: "S" };
const SETTING: Setting = { style: "prompt", order: "psm", healing: undefined, maxTokens: 9 };

test.each([
  [{}, { prompt: "<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>" }],
  [{ order: "spm" }, { prompt: "<|fim_suffix|>S<|fim_prefix|>P<|fim_middle|>" }],
  [{ style: "suffix" }, { prompt: "P", suffix: "S" }],
  [{ style: "raw" }, { prompt: "P", stop: ["\n"] }],
  [
    { style: "suffix", healing: false },
    { prompt: "P", suffix: "S", token_healing: false },
  ],
] as const)("setting %j asks greedily with %j", (over, expected) => {
  const body = completionBody(CASE, { ...SETTING, ...over });

  expect(body).toEqual({ ...expected, max_tokens: 9, temperature: 0 });
});

test("a raw answer ends with its line only where the gap does", () => {
  const raw = { ...SETTING, style: "raw" } as const;

  expect(completionBody({ ...CASE, kind: "multi-line" }, raw)).not.toHaveProperty("stop");
  expect(completionBody({ ...CASE, kind: "random-span", middle: "abc" }, raw)).toMatchObject({ max_tokens: 3 });
});
