import type { ModelCard } from "../continuation/card.ts";
import type { Dialect } from "./protocol.ts";

/**
 * What a name may be used for on the paths of a dialect. DashScope's lists bind the names of its catalogue there; in the
 * OpenAI dialect only what the operator withholds is refused, besides what weights cannot do.
 */
export function takesCompletions(card: ModelCard, dialect: Dialect): boolean {
  if (card.withheld?.has("completions")) return false;
  return dialect === "openai" || !card.catalogued || card.completions;
}

export function takesPartial(card: ModelCard, dialect: Dialect): boolean {
  if (card.withheld?.has("partial")) return false;
  return dialect === "openai" || card.partial;
}
