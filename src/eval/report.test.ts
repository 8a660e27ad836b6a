import { expect, test } from "vitest";
import type { InfillCase } from "./infill-case.ts";
import { reportJson, reportText } from "./report.ts";
import type { Setting, Style } from "./request.ts";
import type { Result } from "./run.ts";
import { scoreOf } from "./score.ts";

const CASE: InfillCase = {
  ...{ id: "1", language: "python", kind: "single-line", prefix: "a = ", middle: "right", suffix: "\n" },
};

const WHOLE = { done: 1, total: 1 };

/** The only result of a run; without `text`, of a request that failed. */
function runOf(style: Style, text?: string): readonly Result[] {
  const setting: Setting = { style, order: "psm", healing: undefined, maxTokens: 9 };
  if (text === undefined) return [{ infill: CASE, setting, error: "refused" }];
  const answer = { text, finish: "stop", firstMs: 10, lastMs: 110, tokens: 11 };
  return [{ infill: CASE, setting, answered: { answer, score: scoreOf(CASE, style, answer) } }];
}

test("the report has a table for each setting, without columns that have no figure", () => {
  const text = reportText("m", [runOf("prompt", "right"), runOf("suffix", "wrong")], WHOLE);

  expect(text.split("\n")).toEqual([
    "m",
    "",
    "markers in the prompt, PSM, the model's healing:",
    "",
    expect.stringMatching(/^\| kind +\| language \| cases \| +exact \| first line \|/),
    expect.stringMatching(/^\| -+ \| -+ \| -+: \|/),
    expect.stringMatching(/^\| single-line \| python +\| +1 \| 100.0 % \| +100.0 % \|/),
    "",
    "suffix field, the model's healing:",
    "",
    expect.anything(),
    expect.anything(),
    expect.stringMatching(/^\| single-line \| python +\| +1 \| +0.0 % \|/),
    "",
    "Markers and suffix field, the model's healing: 1 of 1 answers differ: 1",
    "",
  ]);
  expect(text).not.toMatch(/word|passes/);
});

test("requests that failed are named", () => {
  expect(reportText("m", [runOf("raw")], WHOLE)).toContain("\n1 failed: refused\n");
});

test("programs get the same: settings with their figures, agreement, failures", () => {
  expect(
    JSON.parse(reportJson("m", [runOf("prompt", "right"), runOf("suffix", "right"), runOf("raw")], WHOLE)),
  ).toMatchObject({
    model: "m",
    settings: [
      { style: "prompt", healing: "default", summaries: [{ kind: "single-line", exact: 1 }] },
      { style: "suffix", summaries: [{ exact: 1, tokensPerSecond: { median: 100 } }] },
      { style: "raw", summaries: [{ cases: 1, errors: 1 }] },
    ],
    agreements: [{ compared: 1, ids: [] }],
    failures: [{ id: "1", error: "refused" }],
  });
});

test("a report of a part says so", () => {
  const runs = [runOf("prompt", "right")];

  expect(reportText("m", runs, { done: 1, total: 600 })).toContain(
    "m\n\nPARTIAL: 1 of 600 requests were answered before it was stopped\n\nmarkers",
  );
  expect(reportText("m", runs, WHOLE)).not.toContain("PARTIAL");
  expect(JSON.parse(reportJson("m", runs, { done: 1, total: 600 }))).toMatchObject({
    complete: false,
    done: 1,
    total: 600,
  });
});
