import fc from "fast-check";
import { expect, test } from "vitest";
import { keepBest } from "./best-of.ts";
import type { ChoiceResult, Result } from "./output.ts";

function choice(text: string, ...logprobs: number[]): ChoiceResult {
  return {
    text,
    tokens: logprobs.map((_, index) => index),
    logprobs: logprobs.map((logprob) => ({ bytes: [116], logprob, top: [] })),
    reason: "stop",
  };
}

function result(choices: readonly ChoiceResult[]): Result {
  return {
    start: { type: "start", model: "m", promptTokens: 1, truncatedTokens: 0, ignored: [] },
    echo: [],
    choices,
    usage: { promptTokens: 1, completionTokens: 9, source: "engine" },
  };
}

test("the likeliest choices by mean log probability stay, likeliest first, per prompt", () => {
  const generated = result([
    choice("short but unlikely", -2),
    choice("long and likely", -1, -1, -1),
    choice("likeliest", -0.5, -0.1),
    choice("second prompt, worse", -3),
    choice("second prompt, best", -0.1),
    choice("second prompt, middle", -1),
  ]);

  const kept = keepBest(generated, 3, 2);

  expect(kept.choices.map(({ text }) => text)).toEqual([
    "likeliest",
    "long and likely",
    "second prompt, best",
    "second prompt, middle",
  ]);
  expect(kept.usage.completionTokens).toBe(9);
});

test("choices without log probabilities come last, in their order", () => {
  const kept = keepBest(result([choice("a"), choice("b"), choice("c", -9)]), 3, 3);

  expect(kept.choices.map(({ text }) => text)).toEqual(["c", "a", "b"]);
});

test("a kept choice keeps why it ended, in the engine's word too", () => {
  const filtered: ChoiceResult = { ...choice("a", -1), reason: "content_filter", raw: "SAFETY" };

  expect(keepBest(result([choice("b", -2), filtered]), 2, 1).choices).toEqual([filtered]);
});

test("an echo moves to the first kept choice of its prompt", () => {
  const generated = { ...result(["a", "b", "c", "d"].map((text) => choice(text, -1))) };
  const echoed: Result = { ...generated, echo: [0, 2].map((index) => ({ type: "echo", choice: index, tokens: [] })) };

  expect(keepBest(echoed, 2, 1).echo.map((part) => part.choice)).toEqual([0, 1]);
});

test("no dropped choice is likelier than a kept one", () => {
  const logprobs = fc.array(fc.float({ min: -20, max: 0, noNaN: true }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(logprobs, { minLength: 1, maxLength: 6 }), fc.nat(5), (lists, keepLess) => {
      const choices = lists.map((list, index) => choice(String(index), ...list));
      const mean = (one: ChoiceResult) =>
        one.logprobs.reduce((sum, token) => sum + token.logprob, 0) / one.logprobs.length;

      const kept = keepBest(result(choices), choices.length, Math.min(choices.length, keepLess + 1)).choices;

      const dropped = choices.filter((one) => !kept.includes(one));
      for (const one of dropped) expect(mean(one)).toBeLessThanOrEqual(Math.min(...kept.map(mean)));
      expect(kept.map(mean)).toEqual(kept.map(mean).toSorted((a, b) => b - a));
    }),
  );
});
