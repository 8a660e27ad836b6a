import { fitPrompt, lengthError, MOST_TOKEN_UNITS } from "./encode-prompt.ts";
import { lower, speaksChatMl, type Weights } from "./lower.ts";
import type { LoweredPrompt, LoweredText } from "./prompt.ts";
import type { Answered, ContinuationRequest } from "./request.ts";

/**
 * The prompt of a request, without text that certainly finds no room. Throws `invalid_parameter` when it cannot fit, before
 * it is rendered, sent to the engine process or tokenized.
 *
 * @param slotTokens most tokens of prompt and answer.
 */
export function promptOf(
  { input, limits, answered, shape }: Pick<ContinuationRequest, "input" | "limits" | "answered" | "shape">,
  weights: Weights,
  slotTokens: number,
): LoweredPrompt {
  const roomTokens = slotTokens - 1;
  // Each message comes to a token at least. What a template renders cannot be cut; turns of ChatML can, and cost little.
  const isCut = limits.truncate && speaksChatMl(weights);
  if (input.kind === "chat" && input.messages.length > roomTokens && !isCut) throw lengthError(limits.maxInputTokens);
  const prompt = lower(input, weights, { hasShape: shape !== undefined });
  const parted = answered === undefined ? prompt : partAnswer(prompt, answered);
  return fitPrompt(parted, limits, roomTokens, MOST_TOKEN_UNITS);
}

/**
 * The answer so far as a part of its own, so that its tokens are the ones that were generated. Where it began with the rest
 * of a cut word, its first token reaches back into the text before it, and both stay one text.
 */
function partAnswer(prompt: LoweredPrompt, { units, tokens, tokenHealing }: Answered): LoweredPrompt {
  const { sections, heal } = prompt;
  const last = sections.at(-1);
  const part = last?.parts.at(-1);
  if (last === undefined || part === undefined || !("text" in part)) return prompt;
  const cut = part.text.length - units;
  const [before, text] = [part.text.slice(0, cut), part.text.slice(cut)];
  const continuesText = heal !== undefined && heal.bytes > Buffer.byteLength(text);
  if (continuesText && (tokenHealing ?? heal.byDefault)) return prompt;
  const answer: LoweredText = { text, ...(tokens !== undefined && { written: tokens }) };
  const parts = [...last.parts.slice(0, -1), ...(before === "" ? [] : [{ text: before }]), answer];
  return { ...prompt, sections: [...sections.slice(0, -1), { ...last, parts }] };
}
