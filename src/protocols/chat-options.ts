import type { ModelCard } from "../continuation/card.ts";
import { ServiceError } from "../errors.ts";
import type { Harmless } from "./ignored.ts";
import { type Fields, invalid, isObject, readArray, readBoolean, readInteger } from "./parameters.ts";
import type { Dialect } from "./protocol.ts";

/** Options of chat that this server checks but does not act on (docs/wire.md 2.2.1, 4.3, 6.5). */

/** Values of those options that ask for nothing. */
export const HARMLESS_OPTIONS: Harmless = {
  tools: (value) => Array.isArray(value) && value.length === 0,
  tool_choice: () => true,
  enable_thinking: (value) => value === false,
  enable_search: (value) => value === false,
  logprobs: (value) => value === false || value === 0,
  top_logprobs: (value) => value === 0,
  store: (value) => value === false,
  ignore_eos: (value) => value === false,
  min_tokens: (value) => value === 0,
};

export interface Situation {
  readonly card: ModelCard;
  readonly dialect: Dialect;
  /** The request continues an assistant prefix. */
  readonly isPartial: boolean;
}

/** Throws for what would change the meaning of the answer; what passes has no effect on it. */
export function checkChatOptions(fields: Fields, { card, dialect, isPartial }: Situation): void {
  checkThinking(fields, card, isPartial);
  if (readBoolean(fields, "enable_search")) {
    throw invalid("enable_search", "This model does not support enable_search.");
  }
  checkTools(fields, dialect);
}

/** Tools that were sent; an empty list is none. */
export function hasTools(fields: Fields): boolean {
  return (readArray(fields, "tools") ?? []).length > 0;
}

function checkThinking(fields: Fields, card: ModelCard, isPartial: boolean): void {
  if (readBoolean(fields, "enable_thinking")) {
    if (isPartial) {
      throw invalid("enable_thinking", "The partial parameter is not supported when enable_thinking is true");
    }
    throw new ServiceError("thinking_not_supported", `The model ${card.name} does not support enable_thinking.`, {
      param: "enable_thinking",
      model: card.name,
    });
  }
  const longest = card.maxOutputTokens;
  const bound = Number.isFinite(longest) ? ` and not greater than ${longest}` : "";
  const message = `The thinking_budget parameter must be a positive integer${bound}`;
  const budget = fields["thinking_budget"] ?? undefined;
  if (budget !== undefined && !Number.isInteger(budget)) throw invalid("thinking_budget", message);
  readInteger(fields, "thinking_budget", { allows: (value) => value > 0 && value <= longest, message });
}

function checkTools(fields: Fields, dialect: Dialect): void {
  for (const tool of readArray(fields, "tools") ?? []) {
    const declared = isObject(tool) ? tool["function"] : undefined;
    const isSearch = isObject(declared) && declared["name"] === "search";
    if (isSearch) throw invalid("tools", "Tool names are not allowed to be [search]");
  }
  const choice = fields["tool_choice"] ?? undefined;
  if (choice === undefined || choice === "auto" || choice === "none") return;
  if (isObject(choice) || (dialect === "openai" && choice === "required")) {
    throw new ServiceError(
      "unsupported_input",
      'tool_choice cannot force a function call: answers are plain text; use "auto" or "none".',
      { param: "tool_choice" },
    );
  }
  throw invalid("tool_choice", 'tool_choice is one of the strings that should be ["none", "auto"]');
}
