import { allot, type LoweredPart, type LoweredPrompt } from "../../continuation/prompt.ts";
import type { Limits } from "../../continuation/request.ts";
import { ServiceError } from "../../errors.ts";

export interface EncodedPrompt {
  readonly tokens: readonly number[];
  /** As reported: without tokens we added, with those the caller wrote. */
  readonly promptTokens: number;
  readonly truncatedTokens: number;
}

/** Most of the room that a cut prompt leaves to the answer. */
const ANSWER_SHARE = 0.25;

/**
 * Tokens of a prompt, cut to fit if the caller allows it. Throws `invalid_parameter` when it is too long or empty.
 *
 * @param encode tokens of one part, by itself.
 * @param roomTokens most tokens the engine can take.
 */
export function encodePrompt(
  prompt: LoweredPrompt,
  limits: Pick<Limits, "maxInputTokens" | "truncate" | "maxTokens">,
  roomTokens: number,
  encode: (part: LoweredPart) => readonly number[] | Int32Array,
): EncodedPrompt {
  const sections = prompt.sections.map((section) => section.parts.flatMap((part) => Array.from(encode(part))));
  const lengths = sections.map((tokens) => tokens.length);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const promptTokens = total + prompt.countOffset;
  const budget = Math.min(roomTokens, limits.maxInputTokens - prompt.countOffset);
  if (promptTokens < 1) throw lengthError(limits.maxInputTokens);
  if (total <= budget) return { tokens: sections.flat(), promptTokens, truncatedTokens: 0 };

  // Cut a little more than the length alone asks for, so that there is room for an answer.
  const answer = Math.min(limits.maxTokens ?? Number.POSITIVE_INFINITY, Math.floor(roomTokens * ANSWER_SHARE));
  const cutTo = (tokens: number) => (limits.truncate ? allot(prompt.sections, lengths, tokens) : undefined);
  const keep = cutTo(Math.min(budget, roomTokens - answer)) ?? cutTo(budget);
  if (keep === undefined) throw lengthError(limits.maxInputTokens);
  const kept = sections.flatMap((tokens, index) => {
    const count = keep[index] ?? 0;
    return prompt.sections[index]?.role === "suffix" ? tokens.slice(0, count) : tokens.slice(tokens.length - count);
  });
  return { tokens: kept, promptTokens: kept.length + prompt.countOffset, truncatedTokens: total - kept.length };
}

/** Contract 6.5. */
function lengthError(max: number): ServiceError {
  return new ServiceError("invalid_parameter", `Range of input length should be [1, ${max}]`, { param: "prompt" });
}
