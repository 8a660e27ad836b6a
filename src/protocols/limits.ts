import type { ModelCard } from "../continuation/card.ts";
import type { Limits } from "../continuation/request.ts";
import { type Fields, range, readBoolean, readInteger } from "./parameters.ts";
import { readStop } from "./stop.ts";

/** Request fields that `readLimits` reads, besides those that name the token limit. */
export const LIMIT_FIELDS = ["stop", "truncate_prompt"];

/**
 * Where a text ends. Without a token limit the model's maximum holds (contract 2.1.1); a limit beyond the room left
 * in the context is no error.
 *
 * @param names of the fields that limit tokens; the smallest value holds. @param fewest allowed, 0 or 1.
 */
export function readLimits(fields: Fields, card: ModelCard, names: readonly string[], fewest = 1): Limits {
  const given = names
    .map((name) => readInteger(fields, name, range(name, fewest, card.maxOutputTokens)))
    .filter((value) => value !== undefined);
  return {
    maxTokens: Math.min(card.maxOutputTokens, ...given),
    ...readStop(fields["stop"]),
    maxInputTokens: card.maxInputTokens,
    truncate: readBoolean(fields, "truncate_prompt") ?? false,
  };
}
