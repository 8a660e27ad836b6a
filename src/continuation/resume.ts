import type { Continuation } from "./input.ts";
import type { Answered, ContinuationRequest, Limits, Sampling } from "./request.ts";

/** What a reader has got of the one choice of a request, before its stream was cut. */
export interface Sent {
  readonly text: string;
  /** Completion tokens spent on it, a hidden thought in front of the text included. */
  readonly tokenCount: number;
  /** Those that spell the text; the last may have been shown in part. Absent: not known. */
  readonly tokens?: readonly number[];
  /** Prompt tokens that were cut off, as the start of the stream said. */
  readonly truncatedTokens: number;
}

/**
 * The request that goes on behind what was sent, with what is left of its limits: what was sent becomes the end of the
 * prompt, of the assistant prefix or of the middle of a gap. Undefined: the request cannot go on with the same meaning.
 *
 * - Several choices would each need a prompt of their own.
 * - The shape of an answer describes it from its beginning, and only a dialogue has a place for that: its assistant prefix.
 * - A cut prompt would be cut elsewhere when it is longer.
 *
 * Stops need nothing of what was sent: an engine holds text back until it is decided that no stop begins in it. Penalties
 * over generated tokens, and what ends a gap, know what was sent as the caller's own text. Of the seed comes another one,
 * so that a draw does not repeat those before it.
 */
export function resumed(request: ContinuationRequest, sent: Sent): ContinuationRequest | undefined {
  if (request.choices !== 1) return undefined;
  if (sent.text === "" && sent.tokenCount === 0) return request;
  if (request.shape !== undefined && request.input.kind !== "chat") return undefined;
  if (sent.truncatedTokens > 0) return undefined;
  const input = continued(request.input, sent);
  const { accepted: _, ...asked } = request;
  return {
    ...asked,
    input,
    limits: remaining(request.limits, sent.tokenCount),
    sampling: withNextSeed(request.sampling, sent.tokenCount),
    promptLogprobs: false, // they were said before the first text
    tokenHealing: false, // what was sent ends where a token does
    ...(sent.text !== "" && { answered: answeredBy(request, sent) }),
  };
}

function answeredBy({ tokenHealing }: ContinuationRequest, { text, tokens }: Sent): Answered {
  return {
    units: text.length,
    ...(tokens !== undefined && { tokens }),
    ...(tokenHealing !== undefined && { tokenHealing }),
  };
}

function continued(input: Continuation, { text }: Sent): Continuation {
  switch (input.kind) {
    case "text":
      return { ...input, parts: [...input.parts, { text }] };
    case "tokens":
      return { ...input, answer: (input.answer ?? "") + text };
    case "infill":
      return { ...input, middle: input.middle + text };
    case "chat":
      return { ...input, assistantPrefix: (input.assistantPrefix ?? "") + text };
  }
}

/** The prompt is longer now by what it was allowed to become, and is not to be cut for that. */
function remaining({ maxTokens, minTokens, ...limits }: Limits, spent: number): Limits {
  const fewest = Math.max(0, (minTokens ?? 0) - spent);
  return {
    ...limits,
    ...(maxTokens !== undefined && { maxTokens: Math.max(0, maxTokens - spent) }),
    ...(fewest > 0 && { minTokens: fewest }),
    maxInputTokens: limits.maxInputTokens + spent,
    truncate: false,
  };
}

/** Seeds below it are good on every wire. */
const SEEDS = 2 ** 31;

function withNextSeed({ seed, ...sampling }: Sampling, spent: number): Sampling {
  return seed === undefined ? sampling : { ...sampling, seed: (Math.abs(seed) + spent) % SEEDS };
}
