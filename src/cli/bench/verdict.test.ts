import { expect, test } from "vitest";
import type { Figures } from "./measure.ts";
import { verdicts } from "./verdict.ts";

const FIGURES: Figures = {
  firstTokenMs: 80,
  prefill: { promptTokens: 1000, perSecond: 200 },
  decodePerSecond: 30,
  together: { streams: 4, perSecond: 40 },
  typing: { requests: 12, medianMs: 120, slowestMs: 340 },
};

function verdict(measure: string, figures: Partial<Figures>): string | undefined {
  return verdicts({ ...FIGURES, ...figures }).find((row) => row.measure === measure)?.verdict;
}

test.each([
  [120, "fast enough for a suggestion at every keystroke: first token 120 ms, under 150 ms"],
  [220, "fast enough for suggestions while typing: first token 220 ms, under 300 ms"],
  [700, "fast enough for suggestions at a pause: first token 700 ms, under 1000 ms"],
  [
    2219,
    "too slow for suggestions while typing: first token 2219 ms; choose a smaller model, or send less text around the cursor",
  ],
])("typing with %d ms to the first token", (medianMs, text) => {
  const typing = { requests: 12, medianMs, slowestMs: 3000 };

  expect(verdict("typing, first token", { typing })).toBe(text);
});

test.each([
  [30, "faster than people read"],
  [12, "about as fast as people read"],
  [3, "slower than people read"],
])("one answer at %d tokens per second", (decodePerSecond, text) => {
  expect(verdict("one answer", { decodePerSecond })).toBe(text);
});

test("several answers are judged by what each of them gets", () => {
  expect(verdict("4 answers at once", {})).toBe("10 tokens/s each: about as fast as people read");
});

test("a slow prompt is said with what to do", () => {
  const prefill = { promptTokens: 1000, perSecond: 100 };

  expect(verdict("reading a prompt", { prefill })).toBe(
    "a file of 4000 tokens is read in 40.0 s: send less context, or choose a smaller model",
  );
});
