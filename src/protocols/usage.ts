import type { Usage } from "../continuation/output.ts";
import type { DashScopeUsage } from "../wire/dashscope/generation.ts";
import type { OpenAiUsage } from "../wire/openai/fields.ts";
import type { Dialect } from "./protocol.ts";

/**
 * Details are reported only when the engine gave them. Drafts appear in OpenAI's words and in that dialect alone: the
 * service documents `completion_tokens_details` of the DashScope paths with another content (2.2.3). Unlike OpenAI's,
 * our `completion_tokens` never count a rejected draft: it is nothing the caller receives.
 */
export function usageToOpenAi(usage: Usage, dialect: Dialect): OpenAiUsage {
  const { promptTokens, completionTokens, cachedPromptTokens, drafts } = usage;
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    ...cachedDetails(cachedPromptTokens),
    ...(dialect === "openai" ? draftDetails(drafts) : {}),
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

function draftDetails(drafts: Usage["drafts"]): Pick<OpenAiUsage, "completion_tokens_details"> {
  if (drafts === undefined) return {};
  const { proposed, accepted } = drafts;
  return {
    completion_tokens_details: {
      accepted_prediction_tokens: accepted,
      rejected_prediction_tokens: proposed - accepted,
    },
  };
}
