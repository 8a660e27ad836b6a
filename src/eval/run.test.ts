import { expect, test } from "vitest";
import type { InfillCase } from "./infill-case.ts";
import { type Complete, runCases } from "./run.ts";

const SETTING = { style: "suffix", order: "psm", healing: undefined, maxTokens: 9 } as const;
const CASES: readonly InfillCase[] = ["a", "b", "c", "d", "e"].map((id) => ({
  ...{ id, language: "python", kind: "single-line", prefix: id, middle: id, suffix: "\n" },
}));
const never = new AbortController().signal;

/** Answers with the prompt. */
const echo: Complete = async ({ prompt }) => ({
  text: String(prompt),
  finish: "stop",
  firstMs: 1,
  lastMs: 1,
  tokens: 1,
});

test("results come in the order of the cases, whatever ends first, and no more run at a time than asked for", async () => {
  const open: (() => void)[] = [];
  let most = 0;
  const complete: Complete = async (body, signal) => {
    await new Promise<void>((resolve) => {
      open.push(resolve);
      most = Math.max(most, open.length);
      // The third to come in lets the last of the three go.
      if (open.length === 3 || body["prompt"] === "d" || body["prompt"] === "e") open.pop()?.();
    });
    if (body["prompt"] === "e") for (const finish of open.splice(0)) finish();
    return echo(body, signal);
  };

  const results = await runCases({ cases: CASES, setting: SETTING, concurrency: 3, complete }, never);

  expect(results.map(({ answered }) => answered?.answer.text)).toEqual(["a", "b", "c", "d", "e"]);
  expect(results.every(({ answered }) => answered?.score.exact)).toBe(true);
  expect(most).toBe(3);
});

test("a request that fails is a result and the others go on", async () => {
  const complete: Complete = (body, signal) => {
    if (body["prompt"] === "b") throw new Error("refused");
    return echo(body, signal);
  };

  const results = await runCases({ cases: CASES, setting: SETTING, concurrency: 2, complete }, never);

  expect(results.map(({ error }) => error)).toEqual([undefined, "refused", undefined, undefined, undefined]);
});

test("an abort ends the run with its reason", async () => {
  const abort = new AbortController();
  const complete: Complete = async () => {
    abort.abort(new Error("interrupted"));
    throw new Error("the connection broke");
  };

  const run = runCases({ cases: CASES, setting: SETTING, concurrency: 1, complete }, abort.signal);

  await expect(run).rejects.toThrow("interrupted");
});

test("what the reader of the results throws ends the run, other requests too", async () => {
  const asked: string[] = [];
  const complete: Complete = async (body, signal) => {
    asked.push(String(body["prompt"]));
    if (body["prompt"] !== "a") await new Promise((_, reject) => signal.addEventListener("abort", reject));
    return echo(body, signal);
  };
  const report = (): void => {
    throw new Error("the disk is full");
  };

  const run = runCases({ cases: CASES, setting: SETTING, concurrency: 2, complete, report }, never);

  await expect(run).rejects.toThrow("the disk is full");
  expect(asked).toEqual(["a", "b"]);
});

test("tests run on the answer, and their outcome is kept", async () => {
  const asked: string[] = [];
  const check = async (_infill: InfillCase, completion: string) => {
    asked.push(completion);
    return completion === "a";
  };

  const results = await runCases(
    { cases: CASES.slice(0, 2), setting: SETTING, concurrency: 1, complete: echo, check },
    never,
  );

  expect(asked).toEqual(["a", "b"]);
  expect(results.map(({ answered }) => answered?.passed)).toEqual([true, false]);
});
