import fc from "fast-check";
import { expect, test } from "vitest";
import { type Asked, answerLine, earlierResults, wholeLines } from "./answers.ts";
import type { InfillCase } from "./infill-case.ts";
import type { Setting } from "./request.ts";
import type { Result } from "./run.ts";
import { scoreOf } from "./score.ts";

const caseOf = (middle: string): InfillCase => ({
  ...{ id: `case ${middle}`, language: "python", kind: "single-line", prefix: "a = ", middle, suffix: "\n" },
});
const [first, second] = [caseOf("one"), caseOf("two")];
const CASES = [first, second, caseOf("three")];
const setting: Setting = { style: "suffix", order: "psm", healing: undefined, maxTokens: 9 };
const SETTINGS: readonly Setting[] = [setting, { style: "raw", order: "psm", healing: true, maxTokens: 9 }];
const ASKED: Asked = { model: "m", cases: CASES, settings: SETTINGS, isExecuted: false };

function result(infill: InfillCase, setting: Setting, text: string): Result {
  const answer = { text, finish: "stop", firstMs: 10.5, lastMs: 110, tokens: 11 };
  return { infill, setting, answered: { answer, score: scoreOf(infill, setting.style, answer) } };
}

const results = fc.array(
  fc
    .tuple(fc.constantFrom(...CASES), fc.constantFrom(...SETTINGS), fc.string({ unit: "binary" }))
    .map(([infill, setting, text]) => result(infill, setting, text)),
);

test("what was written is read back, whatever the answers are", () => {
  fc.assert(
    fc.property(results, (written) => {
      const text = written.map((each) => answerLine("m", each)).join("");

      expect(earlierResults(text, ASKED)).toEqual(written);
    }),
  );
});

test("a file that was cut anywhere gives the answers before the cut", () => {
  fc.assert(
    fc.property(results, fc.nat(), (written, at) => {
      const lines = written.map((each) => answerLine("m", each));
      const text = lines.join("");
      const cut = text.slice(0, at % (text.length + 1));

      const read = earlierResults(wholeLines(cut), ASKED);

      expect(read).toEqual(written.slice(0, read.length));
      expect(lines.slice(0, read.length + 1).join("").length).toBeGreaterThanOrEqual(cut.length);
    }),
  );
});

test("an answer has its scores, how it was asked for, and what it should have been", () => {
  expect(JSON.parse(answerLine("m", result(first, setting, "one")))).toMatchObject({
    ...{
      model: "m",
      id: "case one",
      style: "suffix",
      maxTokens: 9,
      text: "one",
      middle: "one",
      exact: true,
      stops: true,
    },
  });
});

test("requests that failed are asked again, and so are programs whose outcome is not known", () => {
  const failed = answerLine("m", { infill: first, setting, error: "refused" });
  const withTests = { ...second, check: { test: "", entryPoint: "f" } };
  const unrun = answerLine("m", result(second, setting, "two"));
  const asked = { ...ASKED, cases: [first, withTests] };

  expect(earlierResults(failed + unrun, asked)).toHaveLength(1);
  expect(earlierResults(failed + unrun, { ...asked, isExecuted: true })).toEqual([]);
});

const line = answerLine("m", result(second, setting, "two"));

test.each<[string, string, Partial<Asked>, RegExp]>([
  ["another model", line, { model: "n" }, /line 1 is an answer of m, and n is asked/],
  ["another case", line, { cases: [first] }, /line 1 answers a case that is not asked \(case two\)/],
  ["a case that was changed", line, { cases: [{ ...second, middle: "2" }] }, /answers a case that is not asked/],
  [
    "another limit",
    line,
    { settings: [{ ...setting, maxTokens: 10 }] },
    /another style, order, healing or --max-tokens/,
  ],
  ["no answer", `${line}{"id": "1"}\n`, {}, /line 2 is no answer of an evaluation/],
  ["no JSON", `some text\n${line}`, {}, /line 1 is no answer of an evaluation/],
])("%s is refused, so that figures are not mixed", (_what, text, asked, message) => {
  expect(() => earlierResults(text, { ...ASKED, ...asked })).toThrow(message);
});
