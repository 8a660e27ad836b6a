import { ServiceError } from "../errors.ts";
import { allot, type LoweredPart, type LoweredPrompt } from "./prompt.ts";
import { unitsOf, withinRoom } from "./prompt-room.ts";
import type { Limits } from "./request.ts";

export interface EncodedPrompt {
  readonly tokens: readonly number[];
  /** Tokens taken back from the text that is continued; the answer has to spell them first. */
  readonly tail: readonly number[];
  /** The last tokens of the text that is continued, where that is not the end of `tokens`. */
  readonly lead?: readonly number[];
  /** As reported: without tokens we added, with those the caller wrote. */
  readonly promptTokens: number;
  /** An estimate where text was cut off before anybody tokenized it (`fitPrompt`). */
  readonly truncatedTokens: number;
}

/** Most of the room that a cut prompt leaves to the answer. */
const ANSWER_SHARE = 0.25;

/** Tokens of the continued text that are enough to find where it occurred before. */
const LEAD_TOKENS = 16;

/**
 * No vocabulary that we know has a token of more UTF-16 units than this; the longest are runs of blanks. For whoever has to
 * tell the length of a prompt without the vocabulary.
 */
export const MOST_TOKEN_UNITS = 1_024;

type LengthLimits = Pick<Limits, "maxInputTokens" | "truncate" | "maxTokens">;

/** Tokens of one part of a prompt. */
export type PartTokens = ArrayLike<number> & Iterable<number>;

/**
 * A prompt without the text that certainly finds no room. Throws `invalid_parameter` when it cannot fit, before any of it is
 * tokenized.
 *
 * @param roomTokens most tokens the engine can take.
 */
export function fitPrompt(
  prompt: LoweredPrompt,
  limits: LengthLimits,
  roomTokens: number,
  unitsPerToken: number,
): LoweredPrompt {
  const tokens = budgetOf(prompt, limits, roomTokens);
  const fitted = withinRoom(prompt, { tokens, unitsPerToken, truncate: limits.truncate });
  if (fitted === undefined) throw lengthError(limits.maxInputTokens);
  return fitted;
}

export interface ArrangeOptions {
  /** Most tokens the engine can take. */
  readonly roomTokens: number;
  /** How many of the last tokens to take back, given the tokens of a text and its length in bytes. */
  readonly tokensToHeal: (tokens: readonly number[], bytes: number) => number;
}

/**
 * Tokens of a prompt, cut to fit if the caller allows it. Throws `invalid_parameter` when it is too long or empty.
 *
 * @param encoded for each section the tokens of its parts, each part by itself.
 */
export function arrangePrompt(
  prompt: LoweredPrompt,
  encoded: readonly (readonly PartTokens[])[],
  limits: LengthLimits,
  { roomTokens, tokensToHeal }: ArrangeOptions,
): EncodedPrompt {
  const sections = encoded.map(joined);
  const total = lengthOf(sections);
  if (total + prompt.countOffset < 1) throw lengthError(limits.maxInputTokens);
  const kept = cutToFit(sections, prompt, limits, roomTokens);
  const length = lengthOf(kept);
  const report = {
    promptTokens: length + prompt.countOffset,
    truncatedTokens: total - length + cutBefore(prompt, encoded),
  };
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

function budgetOf({ countOffset }: LoweredPrompt, { maxInputTokens }: LengthLimits, roomTokens: number): number {
  return Math.min(roomTokens, maxInputTokens - countOffset);
}

/** The sections, cut to what engine and caller allow. */
function cutToFit(
  sections: readonly Int32Array[],
  prompt: LoweredPrompt,
  limits: LengthLimits,
  roomTokens: number,
): readonly (readonly number[])[] {
  const budget = budgetOf(prompt, limits, roomTokens);
  if (lengthOf(sections) <= budget) return sections.map((tokens) => Array.from(tokens));
  // Cut a little more than the length alone asks for, so that there is room for an answer.
  const answer = Math.min(limits.maxTokens ?? Number.POSITIVE_INFINITY, Math.floor(roomTokens * ANSWER_SHARE));
  const lengths = sections.map((tokens) => tokens.length);
  const cutTo = (tokens: number) => (limits.truncate ? allot(prompt.sections, lengths, tokens) : undefined);
  const keep = cutTo(Math.min(budget, roomTokens - answer)) ?? cutTo(budget);
  if (keep === undefined) throw lengthError(limits.maxInputTokens);
  return sections.map((tokens, index) => {
    const count = keep[index] ?? 0;
    const isHead = prompt.sections[index]?.role === "suffix";
    return Array.from(isHead ? tokens.subarray(0, count) : tokens.subarray(tokens.length - count));
  });
}

/** About how many tokens the text cut off by `fitPrompt` would have come to, if it is like the rest. */
function cutBefore({ sections, cutUnits = 0 }: LoweredPrompt, encoded: readonly (readonly PartTokens[])[]): number {
  if (cutUnits === 0) return 0;
  const texts = sections.map(
    ({ parts }, at) => encoded[at]?.filter((_, index) => "text" in (parts[index] ?? {})) ?? [],
  );
  return Math.round((cutUnits * lengthOf(texts.flat())) / Math.max(1, unitsOf(sections)));
}

function joined(parts: readonly PartTokens[]): Int32Array {
  const [only] = parts;
  if (parts.length === 1 && only instanceof Int32Array) return only;
  const tokens = new Int32Array(lengthOf(parts));
  let at = 0;
  for (const part of parts) {
    tokens.set(part, at);
    at += part.length;
  }
  return tokens;
}

function lengthOf(all: readonly { readonly length: number }[]): number {
  return all.reduce((sum, { length }) => sum + length, 0);
}

/** docs/wire.md 6.5. */
export function lengthError(max: number): ServiceError {
  return new ServiceError("invalid_parameter", `Range of input length should be [1, ${max}]`, { param: "prompt" });
}

/** Tokens of every part of a prompt, each by itself. */
export function encodeParts(
  { sections }: LoweredPrompt,
  encode: (part: LoweredPart) => PartTokens,
): readonly (readonly PartTokens[])[] {
  return sections.map(({ parts }) => parts.map(encode));
}
