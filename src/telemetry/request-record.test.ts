import { expect, test } from "vitest";
import type { StreamPart } from "../continuation/output.ts";
import { isAnswered, observed, type RequestRecord } from "./request-record.ts";

function record(): RequestRecord {
  return { requestId: "r", method: "POST", path: "/", startedAtMs: 100, isKnownModel: true, status: 0, outcome: "ok" };
}

const start: StreamPart = { type: "start", model: "w", promptTokens: 5, truncatedTokens: 0, ignored: [] };
const delta = (...tokens: number[]): StreamPart => ({ type: "delta", choice: 0, text: "x", tokens });

/** Parts that take so many milliseconds to come. */
async function* arriving(clock: { ms: number }, parts: readonly (readonly [number, StreamPart])[]) {
  for (const [tookMs, part] of parts) {
    clock.ms += tookMs;
    yield part;
  }
}

test("the first token is timed from the request's arrival, the others by the waiting for the engine alone", async () => {
  const clock = { ms: 110 };
  const noted = record();
  const seen: number[][] = [];
  const observer = {
    firstText: (ttftMs: number) => seen.push([ttftMs]),
    tokenGap: (gapMs: number, tokens: number) => seen.push([gapMs, tokens]),
  };
  const parts = arriving(clock, [
    [10, start],
    [30, delta(1)],
    [20, delta(2)],
    [40, delta(3, 4)],
    [5, delta()],
  ]);

  for await (const part of observed(parts, noted, observer, () => clock.ms)) {
    // A slow reader: none of this is the engine's time.
    if (part.type === "delta") clock.ms += 1000;
  }

  expect(seen).toEqual([[50], [20, 1], [20, 2]]);
  expect(noted).toMatchObject({ answeredBy: "w", promptTokens: 5, completionTokens: 4, ttftMs: 50 });
});

test("a hidden thought is no first text, and its tokens take their time", async () => {
  const clock = { ms: 110 };
  const noted = record();
  const seen: unknown[] = [];
  const observer = {
    firstText: (ttftMs: number) => seen.push(["text", ttftMs]),
    tokenGap: (gapMs: number, tokens: number) => seen.push(["gap", gapMs, tokens]),
  };
  const parts = arriving(clock, [
    [10, start],
    [30, { ...delta(1), text: "" } as StreamPart],
    [20, { ...delta(2), text: "" } as StreamPart],
    [40, delta(3)],
  ]);

  for await (const _ of observed(parts, noted, observer, () => clock.ms));

  expect(seen).toEqual([
    ["gap", 20, 1],
    ["text", 110],
    ["gap", 40, 1],
  ]);
  expect(noted).toMatchObject({ completionTokens: 3, ttftMs: 110 });
});

test("what the engine says at the end replaces what was counted on the way", async () => {
  const noted = record();
  const usage = { promptTokens: 6, completionTokens: 9, cachedPromptTokens: 4, source: "engine" } as const;
  const parts = arriving({ ms: 0 }, [
    [0, start],
    [0, delta(1)],
    [0, { type: "usage", usage }],
  ]);
  const observer = { firstText: () => undefined, tokenGap: () => undefined };

  for await (const _ of observed(parts, noted, observer, () => 0));

  expect(noted).toMatchObject({ promptTokens: 6, cachedPromptTokens: 4, completionTokens: 9 });
});

test("a stream that is left early keeps the tokens counted so far", async () => {
  const noted = record();
  const parts = arriving({ ms: 0 }, [
    [0, start],
    [0, delta(1)],
    [0, delta(2, 3)],
    [0, delta(4)],
  ]);
  const observer = { firstText: () => undefined, tokenGap: () => undefined };

  for await (const part of observed(parts, noted, observer, () => 0)) {
    if (part.type === "delta" && part.tokens?.length === 2) break;
  }

  expect(noted).toMatchObject({ promptTokens: 5, completionTokens: 3 });
});

test("of text that came at once, each piece counts as a token where the engine tells none", async () => {
  const clock = { ms: 100 };
  const noted = record();
  const gaps: number[][] = [];
  const observer = { firstText: () => {}, tokenGap: (...gap: number[]) => void gaps.push(gap) };
  const piece = (pieces?: number): StreamPart => ({
    type: "delta",
    choice: 0,
    text: "x",
    ...(pieces !== undefined && { pieces }),
  });
  const parts = arriving(clock, [
    [10, start],
    [10, piece()],
    [30, piece(3)],
  ]);

  for await (const _ of observed(parts, noted, observer, () => clock.ms));

  expect(gaps).toEqual([[10, 3]]);
  expect(noted.completionTokens).toBe(4);
});

test("an answer that a newer request has ended is an answer, and an error is none", () => {
  const answered = ["ok", "partial", "superseded", "client_left", "queue_full"].filter((outcome) =>
    isAnswered({ ...record(), outcome }),
  );

  expect(answered).toEqual(["ok", "partial", "superseded"]);
});
