import { expect, test } from "vitest";
import { addStats, NO_STATS } from "./stats.ts";

const SOME = {
  queued: 1,
  running: 2,
  slots: 3,
  promptTokens: 4,
  cachedPromptTokens: 5,
  completionTokens: 6,
  draftedTokens: 12,
  acceptedDraftTokens: 13,
  aborted: { queued: 7, prefill: 8, decode: 9 },
  savedPromptTokens: 10,
  savedCompletionTokens: 11,
};

test("statistics add up field by field", () => {
  expect(addStats(SOME, SOME)).toEqual({
    queued: 2,
    running: 4,
    slots: 6,
    promptTokens: 8,
    cachedPromptTokens: 10,
    completionTokens: 12,
    draftedTokens: 24,
    acceptedDraftTokens: 26,
    aborted: { queued: 14, prefill: 16, decode: 18 },
    savedPromptTokens: 20,
    savedCompletionTokens: 22,
  });
  expect(addStats(SOME, NO_STATS)).toEqual(SOME);
});
