import type { ModelCard } from "../continuation/card.ts";
import type { Limits } from "../continuation/request.ts";
import { type Fields, range, readBoolean, readInteger } from "./parameters.ts";
import { readStop } from "./stop.ts";

/** Request fields that `readLimits` reads, besides those that name the token limit. */
export const LIMIT_FIELDS = ["stop", "truncate_prompt"];

/**
 * Where a text ends. Without a token limit the model's maximum holds (docs/wire.md 2.1.1), if it is known; a limit beyond
 * the room left in the context is no error.
 *
 * @param names of the fields that limit tokens; the smallest value holds. @param fewest allowed, 0 or 1.
 */
export function readLimits(fields: Fields, card: ModelCard, names: readonly string[], fewest = 1): Limits {
  const given = names
    .map((name) => readInteger(fields, name, range(name, fewest, card.maxOutputTokens)))
    .filter((value) => value !== undefined);
  const maxTokens = Math.min(card.maxOutputTokens, ...given);
  return {
    ...(Number.isFinite(maxTokens) && { maxTokens }),
    ...readStop(fields["stop"]),
    maxInputTokens: card.maxInputTokens,
    truncate: readBoolean(fields, "truncate_prompt") ?? false,
  };
}

/** Request fields that `readEnds` reads, on OpenAI's paths. */
export const END_FIELDS = ["min_tokens", "ignore_eos"];

/** What keeps a text from ending early, as vLLM spells it: programs that measure want answers of a known length. */
export function readEnds(
  fields: Fields,
  { maxTokens }: Pick<Limits, "maxTokens">,
): Pick<Limits, "minTokens" | "ignoreEnds"> {
  const most = maxTokens ?? Number.POSITIVE_INFINITY;
  const minTokens = readInteger(fields, "min_tokens", range("min_tokens", 0, most)) ?? 0;
  const ignoreEnds = readBoolean(fields, "ignore_eos") ?? false;
  return { ...(minTokens > 0 && { minTokens }), ...(ignoreEnds && { ignoreEnds }) };
}
