import { expect, test } from "vitest";
import type { InfillCase, Kind } from "./infill-case.ts";
import type { Result } from "./run.ts";
import { scoreOf } from "./score.ts";
import { differing, summaries } from "./summary.ts";

const SETTING = { style: "suffix", order: "psm", healing: undefined, maxTokens: 9 } as const;

interface Given {
  readonly id?: string;
  readonly kind?: Kind;
  readonly language?: string;
  readonly text?: string;
  readonly firstMs?: number;
  readonly tokens?: number;
}

/** The result of a case whose middle is "right"; without `text`, of a request that failed. */
function result({
  id = "1",
  kind = "single-line",
  language = "python",
  text,
  firstMs = 10,
  tokens = 11,
}: Given): Result {
  const infill: InfillCase = { id, language, kind, prefix: "", middle: "right", suffix: "" };
  if (text === undefined) return { infill, setting: SETTING, error: "refused" };
  const answer = { text, finish: "stop", firstMs, lastMs: firstMs + 100, tokens };
  return { infill, setting: SETTING, answered: { answer, score: scoreOf(infill, "suffix", answer) } };
}

test("figures are of the cases that were answered, failures are counted apart", () => {
  const results = [{ text: "right" }, { text: "wrong" }, { text: "right\nand more" }, { text: "right" }, {}].map(
    result,
  );

  const [only, ...others] = summaries(results);

  expect(others).toEqual([]);
  expect(only).toMatchObject({ cases: 5, errors: 1, exact: 0.5, firstLine: 0.75, stops: 1, leaked: 0 });
  expect(only).not.toHaveProperty("word");
});

test("every kind and language has its figures, then all together", () => {
  const results = [
    result({ text: "right" }),
    result({ text: "wrong", language: "typescript" }),
    result({ text: "right", kind: "multi-line" }),
  ];

  const groups = summaries(results).map(({ kind, language, cases, exact }) => [kind, language, cases, exact]);

  expect(groups).toEqual([
    ["single-line", "python", 1, 1],
    ["single-line", "typescript", 1, 0],
    ["single-line", "all", 2, 0.5],
    ["multi-line", "python", 1, 1],
    ["multi-line", "all", 1, 1],
    ["all", "python", 2, 1],
    ["all", "typescript", 1, 0],
    ["all", "all", 3, 2 / 3],
  ]);
});

test("times: the middle one, and the one that nine of ten are not slower than", () => {
  const results = Array.from({ length: 11 }, (_, index) =>
    result({ text: "a", firstMs: index * 10, tokens: 1 + index }),
  );

  expect(summaries(results)[0]).toMatchObject({
    firstTokenMs: { median: 50, p90: 90 },
    tokensPerSecond: { median: 60, p10: 20 },
  });
});

test("answers that differ between two runs are named; unanswered cases are not compared", () => {
  const some = [result({ id: "a", text: "1" }), result({ id: "b", text: "1" }), result({ id: "c" })];
  const others = [result({ id: "a", text: "1" }), result({ id: "b", text: "2" }), result({ id: "c", text: "1" })];

  expect(differing(some, others)).toEqual({ compared: 2, ids: ["b"] });
});
