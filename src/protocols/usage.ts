import type { Usage } from "../continuation/output.ts";
import type { DashScopeUsage } from "../wire/dashscope/generation.ts";
import type { OpenAiUsage } from "../wire/openai/fields.ts";

/** Cached tokens are reported only when the engine said how many. */
export function usageToOpenAi({ promptTokens, completionTokens, cachedPromptTokens }: Usage): OpenAiUsage {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    ...cachedDetails(cachedPromptTokens),
  };
}

export function usageToDashScope(
  usage: Pick<Usage, "promptTokens" | "completionTokens" | "cachedPromptTokens">,
): DashScopeUsage {
  return {
    total_tokens: usage.promptTokens + usage.completionTokens,
    output_tokens: usage.completionTokens,
    input_tokens: usage.promptTokens,
    ...cachedDetails(usage.cachedPromptTokens),
  };
}

function cachedDetails(cachedTokens: number | undefined): Pick<OpenAiUsage, "prompt_tokens_details"> {
  return cachedTokens === undefined ? {} : { prompt_tokens_details: { cached_tokens: cachedTokens } };
}
