import { expect, test } from "vitest";
import { usageToDashScope, usageToOpenAi } from "./usage.ts";

const drafted = {
  promptTokens: 10,
  completionTokens: 7,
  cachedPromptTokens: 4,
  drafts: { proposed: 6, accepted: 2 },
  source: "engine",
} as const;

test("drafts are told in OpenAI's words, and beside the completion tokens, not within them", () => {
  expect(usageToOpenAi(drafted, "openai")).toEqual({
    prompt_tokens: 10,
    completion_tokens: 7,
    total_tokens: 17,
    prompt_tokens_details: { cached_tokens: 4 },
    completion_tokens_details: { accepted_prediction_tokens: 2, rejected_prediction_tokens: 4 },
  });
});

test("DashScope paths keep the documented usage", () => {
  expect(usageToOpenAi(drafted, "dashscope")).toEqual({
    prompt_tokens: 10,
    completion_tokens: 7,
    total_tokens: 17,
    prompt_tokens_details: { cached_tokens: 4 },
  });
  expect(usageToDashScope(drafted)).toEqual({
    input_tokens: 10,
    output_tokens: 7,
    total_tokens: 17,
    prompt_tokens_details: { cached_tokens: 4 },
  });
});

test("an engine that did not guess is not said to have guessed nothing", () => {
  const { drafts: _, ...plain } = drafted;

  expect(usageToOpenAi(plain, "openai")).not.toHaveProperty("completion_tokens_details");
});
