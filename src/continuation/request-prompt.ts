import { fitPrompt, lengthError, MOST_TOKEN_UNITS } from "./encode-prompt.ts";
import { lower, speaksChatMl, type Weights } from "./lower.ts";
import type { LoweredPrompt } from "./prompt.ts";
import type { ContinuationRequest } from "./request.ts";

/**
 * The prompt of a request, without text that certainly finds no room. Throws `invalid_parameter` when it cannot fit, before
 * it is rendered, sent to the engine process or tokenized.
 *
 * @param slotTokens most tokens of prompt and answer.
 */
export function promptOf(
  { input, limits }: Pick<ContinuationRequest, "input" | "limits">,
  weights: Weights,
  slotTokens: number,
): LoweredPrompt {
  const roomTokens = slotTokens - 1;
  // Each message comes to a token at least. What a template renders cannot be cut; turns of ChatML can, and cost little.
  const isCut = limits.truncate && speaksChatMl(weights);
  if (input.kind === "chat" && input.messages.length > roomTokens && !isCut) throw lengthError(limits.maxInputTokens);
  return fitPrompt(lower(input, weights), limits, roomTokens, MOST_TOKEN_UNITS);
}
