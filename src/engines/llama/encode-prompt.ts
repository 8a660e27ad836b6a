import { allot, type LoweredPart, type LoweredPrompt } from "../../continuation/prompt.ts";
import type { Limits } from "../../continuation/request.ts";
import { ServiceError } from "../../errors.ts";

export interface EncodedPrompt {
  readonly tokens: readonly number[];
  /** Tokens taken back from the text that is continued; the answer has to spell them first. */
  readonly tail: readonly number[];
  /** The last tokens of the text that is continued, where that is not the end of `tokens`. */
  readonly lead?: readonly number[];
  /** As reported: without tokens we added, with those the caller wrote. */
  readonly promptTokens: number;
  readonly truncatedTokens: number;
}

/** Most of the room that a cut prompt leaves to the answer. */
const ANSWER_SHARE = 0.25;

/** Tokens of the continued text that are enough to find where it occurred before. */
const LEAD_TOKENS = 16;

export interface EncodePromptOptions {
  /** Most tokens the engine can take. */
  readonly roomTokens: number;
  /** Tokens of one part, by itself. */
  readonly encode: (part: LoweredPart) => readonly number[] | Int32Array;
  /** How many of the last tokens of a text of so many bytes to take back. */
  readonly tokensToHeal: (tokens: readonly number[], bytes: number) => number;
}

/** Tokens of a prompt, cut to fit if the caller allows it. Throws `invalid_parameter` when it is too long or empty. */
export function encodePrompt(
  prompt: LoweredPrompt,
  limits: Pick<Limits, "maxInputTokens" | "truncate" | "maxTokens">,
  { roomTokens, encode, tokensToHeal }: EncodePromptOptions,
): EncodedPrompt {
  const sections = prompt.sections.map((section) => section.parts.flatMap((part) => Array.from(encode(part))));
  const total = lengthOf(sections);
  if (total + prompt.countOffset < 1) throw lengthError(limits.maxInputTokens);
  const kept = cutToFit(sections, prompt, limits, roomTokens);
  const length = lengthOf(kept);
  const report = { promptTokens: length + prompt.countOffset, truncatedTokens: total - length };
  const { heal } = prompt;
  const continued = heal === undefined ? undefined : kept[heal.section];
  if (heal === undefined || continued === undefined) return { tokens: kept.flat(), tail: [], ...report };
  // One token at least must be left to evaluate.
  const back = Math.min(tokensToHeal(continued, heal.bytes), length - 1);
  const tail = continued.slice(continued.length - back);
  const tokens = kept.map((each) => (each === continued ? each.slice(0, each.length - back) : each));
  const isEnd = lengthOf(kept.slice(heal.section + 1)) === 0;
  const lead = (tokens[heal.section] ?? []).slice(-LEAD_TOKENS);
  return { tokens: tokens.flat(), tail, ...(!isEnd && { lead }), ...report };
}

/** The sections, cut to what engine and caller allow. */
function cutToFit(
  sections: readonly (readonly number[])[],
  prompt: LoweredPrompt,
  limits: Pick<Limits, "maxInputTokens" | "truncate" | "maxTokens">,
  roomTokens: number,
): readonly (readonly number[])[] {
  const budget = Math.min(roomTokens, limits.maxInputTokens - prompt.countOffset);
  if (lengthOf(sections) <= budget) return sections;
  // Cut a little more than the length alone asks for, so that there is room for an answer.
  const answer = Math.min(limits.maxTokens ?? Number.POSITIVE_INFINITY, Math.floor(roomTokens * ANSWER_SHARE));
  const lengths = sections.map((tokens) => tokens.length);
  const cutTo = (tokens: number) => (limits.truncate ? allot(prompt.sections, lengths, tokens) : undefined);
  const keep = cutTo(Math.min(budget, roomTokens - answer)) ?? cutTo(budget);
  if (keep === undefined) throw lengthError(limits.maxInputTokens);
  return sections.map((tokens, index) => {
    const count = keep[index] ?? 0;
    return prompt.sections[index]?.role === "suffix" ? tokens.slice(0, count) : tokens.slice(tokens.length - count);
  });
}

function lengthOf(sections: readonly (readonly number[])[]): number {
  return sections.reduce((sum, tokens) => sum + tokens.length, 0);
}

/** Contract 6.5. */
function lengthError(max: number): ServiceError {
  return new ServiceError("invalid_parameter", `Range of input length should be [1, ${max}]`, { param: "prompt" });
}
