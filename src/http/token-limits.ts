import type { StreamPart } from "../continuation/output.ts";
import type { Call } from "./call.ts";

/** Milliseconds; a limit of 0 never passes. */
export interface TokenLimits {
  /** Since the call arrived. */
  readonly spentMs: number;
  /** For the first token since the call arrived, and for the first of a further choice while none is being written. */
  readonly firstMs: number;
  /** Between two tokens. */
  readonly idleMs: number;
}

/** Cuts the call when the first token, or the next one, is too long in coming. A slow reader is not the engine's fault. */
export async function* withTokenLimits(
  parts: AsyncIterable<StreamPart>,
  call: Call,
  { spentMs, firstMs, idleMs }: TokenLimits,
): AsyncGenerator<StreamPart> {
  /** Choices that have begun and not ended. */
  const open = new Set<number>();
  let hasBegun = false;
  let lift = call.limit(firstMs === 0 ? 0 : Math.max(1, firstMs - spentMs), "first_token");
  try {
    for await (const part of parts) {
      if (part.type === "delta") open.add(part.choice);
      if (part.type === "finish") open.delete(part.choice);
      // An answer without a token, or the scores of a prompt, show as well that the engine is at work.
      hasBegun ||= part.type !== "start";
      if (hasBegun) lift();
      yield part;
      if (hasBegun) lift = open.size > 0 ? call.limit(idleMs, "between_tokens") : call.limit(firstMs, "first_token");
    }
  } finally {
    lift();
  }
}
