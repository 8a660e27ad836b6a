import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { humanEvalCases, type InfillCase, KINDS, ownCases } from "./infill-case.ts";

const HELD_OUT = new URL("../../eval/held-out.jsonl", import.meta.url);
const SOURCES = new URL("../../eval/sources.json", import.meta.url);
const LINE = '{"id":"1","language":"python","kind":"single-line","prefix":"a = ","middle":"1","suffix":"\\n"}';
const HUMAN_EVAL = {
  task_id: "RandomSpanInfilling/HumanEval/0/1",
  entry_point: "add",
  prompt: "def add(a, b):\n",
  suffix: "",
  canonical_solution: "    return a + b\n",
  test: "def check(candidate):\n    assert candidate(1, 2) == 3\n",
};

test("lines are cases, packed or not, blank lines none", () => {
  const bytes = Buffer.from(`${LINE}\n\n${LINE}\n`);

  expect(ownCases(bytes)).toHaveLength(2);
  expect(ownCases(gzipSync(bytes))).toEqual(ownCases(bytes));
});

test.each([
  ["{", 'line 2: expected a JSON object, found "{"'],
  ['{"id":"1"}', "line 2: language: "],
])("a line that is no case is named: %s", (wrong, message) => {
  expect(() => ownCases(Buffer.from(`${LINE}\n${wrong}\n`))).toThrow(message);
});

test("HumanEval-Infilling's tasks are Python cases with tests", () => {
  const [infill] = humanEvalCases(Buffer.from(JSON.stringify(HUMAN_EVAL)));

  expect(infill).toEqual({
    id: "RandomSpanInfilling/HumanEval/0/1",
    language: "python",
    kind: "random-span",
    prefix: "def add(a, b):\n",
    middle: "    return a + b\n",
    suffix: "",
    check: { test: HUMAN_EVAL.test, entryPoint: "add" },
  });
});

const heldOut = ownCases(readFileSync(HELD_OUT));

test("the held-out set has at least 400 different cases, 40 % of them single lines, half of them Python", () => {
  const share = (isIn: (index: number) => boolean): number =>
    heldOut.filter((_, index) => isIn(index)).length / heldOut.length;

  expect(heldOut.length).toBeGreaterThanOrEqual(400);
  expect(new Set(heldOut.map(({ prefix, middle }) => prefix + middle)).size).toBe(heldOut.length);
  expect(share((index) => heldOut[index]?.kind === "single-line")).toBeCloseTo(0.4, 2);
  expect(share((index) => heldOut[index]?.language === "python")).toBeCloseTo(0.5, 2);
});

test("the first fifty held-out cases are of every kind and language", () => {
  const first = heldOut.slice(0, 50);

  expect(new Set(first.map(({ kind }) => kind))).toEqual(new Set(KINDS));
  expect(new Set(first.map(({ language }) => language))).toEqual(new Set(["python", "typescript"]));
});

test.each(KINDS)("every held-out case of the kind %s is what its kind says", (kind) => {
  for (const infill of heldOut.filter((each) => each.kind === kind)) expectKind(infill);
});

function expectKind({ id, kind, prefix, middle, suffix }: InfillCase): void {
  const before = prefix.slice(prefix.lastIndexOf("\n") + 1);
  const isLineEnd = suffix.startsWith("\n");
  const lines = middle.split("\n").length;
  const facts = {
    "single-line": [before.trim() === "", lines === 1, isLineEnd, /\p{L}/u.test(middle)],
    "multi-line": [before.trim() === "", lines >= 2 && lines <= 6, isLineEnd],
    "random-span": [middle.length >= 5, middle.length <= 120],
    "mid-word": [/[\w$]{2}$/.test(before), /^[\w$]/.test(middle), lines === 1, isLineEnd],
  };
  const always = [prefix.length <= 1600, suffix.length <= 600, !`${prefix}${middle}${suffix}`.includes("<|")];
  expect([id, ...facts[kind], ...always]).not.toContain(false);
}

test("every held-out case comes from a source that is named with its version", () => {
  const { sources } = JSON.parse(readFileSync(SOURCES, "utf8")) as { sources: { name: string; version: string }[] };
  const named = new Set(sources.map(({ name, version }) => `${name} ${version}`));
  const lines = readFileSync(HELD_OUT, "utf8").trimEnd().split("\n");
  const used = lines.map((line) => JSON.parse(line) as { source: string; version: string });

  expect(new Set(used.map(({ source, version }) => `${source} ${version}`))).toEqual(named);
});
