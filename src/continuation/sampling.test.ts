import { expect, test } from "vitest";
import { samplingOf } from "./sampling.ts";

test("the caller's values stand over the operator's, those over the model's, and what nobody says is left out", () => {
  const defaults = { model: { temperature: 0.7, topP: 0.8, topK: 20 }, operator: { topP: 0.9, topK: 5 } };

  expect(samplingOf({ sampling: { temperature: 0, seed: 7 }, defaults })).toEqual({
    temperature: 0,
    topP: 0.9,
    topK: 5,
    seed: 7,
  });
});

test("switching top_k off is a value too", () => {
  expect(samplingOf({ sampling: { topK: 0 }, defaults: { model: { topK: 20 }, operator: {} } })).toEqual({ topK: 0 });
});

test("a request without defaults has the caller's values alone", () => {
  expect(samplingOf({ sampling: { seed: 7 } })).toEqual({ seed: 7 });
});
