import { describe, expect, test } from "vitest";
import { FIM_LAYOUTS, fimMarkers } from "./fim.ts";
import type { Continuation } from "./input.ts";
import type { Weights } from "./lower.ts";
import type { Answered, Limits } from "./request.ts";
import { promptOf } from "./request-prompt.ts";

const CHATML: Weights = {
  id: "weights",
  controls: new Set(["<|im_start|>", "<|im_end|>"]),
  templateTokens: { bos: "", eos: "" },
};
/** A template that fails when it is rendered. */
const TEMPLATE: Weights = { ...CHATML, controls: new Set(), chatTemplate: "{{ raise_exception('rendered') }}" };
const [QWEN] = FIM_LAYOUTS.filter(({ family }) => family === "qwen");
if (QWEN === undefined) throw new RangeError("there is no layout of Qwen");
const LIMITS: Limits = { stopStrings: [], stopSequences: [], maxInputTokens: 1_000, truncate: false };

function chat(messages: number): Continuation {
  const message = (index: number) => ({
    role: index % 2 === 0 ? ("user" as const) : ("assistant" as const),
    content: [{ text: "hi" }],
  });
  return { kind: "chat", messages: Array.from({ length: messages }, (_, index) => message(index)) };
}

test("a chat of more messages than there is room for tokens is refused before it is rendered", () => {
  const limits = { ...LIMITS, truncate: true };

  expect(() => promptOf({ input: chat(300_000), limits }, TEMPLATE, 512)).toThrow(
    "Range of input length should be [1, 1000]",
  );
  expect(() => promptOf({ input: chat(3), limits }, TEMPLATE, 512)).toThrow("rendered");
  expect(() => promptOf({ input: chat(300_000), limits: LIMITS }, CHATML, 512)).toThrow("Range of input length");
});

test("of a chat that may be cut the oldest turns go before anybody tokenizes them", () => {
  const limits = { ...LIMITS, truncate: true };
  const { sections, cutUnits = 0 } = promptOf({ input: chat(3_001), limits }, CHATML, 512);

  expect(sections.length).toBeLessThan(512);
  expect(sections.slice(-2)).toEqual(promptOf({ input: chat(1), limits }, CHATML, 512).sections);
  expect(cutUnits).toBeGreaterThan(20_000);
});

test("a text that no vocabulary could make fit is refused, or cut to what may fit", () => {
  const input: Continuation = { kind: "text", parts: [{ text: "a".repeat(10_000_000) }] };

  expect(() => promptOf({ input, limits: LIMITS }, CHATML, 512)).toThrow("Range of input length");
  const { sections } = promptOf({ input, limits: { ...LIMITS, truncate: true } }, CHATML, 512);
  expect(sections.at(-1)).toMatchObject({ parts: [{ text: "a".repeat(511 * 1024) }] });
});

describe("an answer that goes on", () => {
  const limits = LIMITS;
  const written = [7, 8];
  const parts = (input: Continuation, answered: Answered, weights = CHATML) =>
    promptOf({ input, limits, answered }, weights, 512).sections.at(-1)?.parts;
  const text = (before: string): Continuation => ({ kind: "text", parts: [{ text: before }, { text: "pon" }] });

  test("is a part of its own behind a text that is not healed, with the ids that wrote it", () => {
    const answered = { units: 3, tokens: written, tokenHealing: false };

    expect(parts(text("Once u"), answered)).toEqual([{ text: "Once u" }, { text: "pon", written }]);
  });

  test("is one with a cut word that was finished", () => {
    expect(parts(text("Once u"), { units: 3, tokens: written, tokenHealing: true })).toEqual([{ text: "Once upon" }]);
    expect(parts(text("Once u"), { units: 3, tokens: written })).toEqual([{ text: "Once upon" }]);
    expect(parts(text("Once u"), { units: 3, tokens: written }, { ...CHATML, healing: false })).toEqual([
      { text: "Once u" },
      { text: "pon", written },
    ]);
  });

  test("is a part of its own behind a template, where there was nothing to heal", () => {
    const input: Continuation = { kind: "chat", messages: [], assistantPrefix: "pon" };

    expect(parts(input, { units: 3, tokens: written })).toEqual([
      { control: "<|im_start|>" },
      { text: "assistant\n" },
      { text: "pon", written },
    ]);
  });

  test("is all of a middle that was empty", () => {
    const input: Continuation = {
      kind: "infill",
      context: [],
      prefix: "f(",
      suffix: ")",
      middle: "pon",
      writtenMarkers: 3,
    };
    const weights = { ...CHATML, fim: QWEN, controls: new Set(fimMarkers(QWEN)) };

    expect(parts(input, { units: 3, tokens: written }, weights)).toEqual([{ text: "pon", written }]);
  });
});
