import { expect, test } from "vitest";
import type { Continuation } from "./input.ts";
import type { Weights } from "./lower.ts";
import type { Limits } from "./request.ts";
import { promptOf } from "./request-prompt.ts";

const CHATML: Weights = {
  id: "weights",
  controls: new Set(["<|im_start|>", "<|im_end|>"]),
  templateTokens: { bos: "", eos: "" },
};
/** A template that fails when it is rendered. */
const TEMPLATE: Weights = { ...CHATML, controls: new Set(), chatTemplate: "{{ raise_exception('rendered') }}" };
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
