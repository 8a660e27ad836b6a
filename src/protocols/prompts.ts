import type { Continuation } from "../continuation/input.ts";
import { ServiceError } from "../errors.ts";
import { emptyInput, parsePrompt, promptWithSuffix } from "./fim-prompt.ts";
import { invalid, isTokenId, shown } from "./parameters.ts";
import type { Call, Dialect } from "./protocol.ts";

/** Most prompts in one call (docs/wire.md 2.1.1). */
const MAX_PROMPTS = 64;

/** One prompt: text, in which markers count, or token ids. */
export type Prompt = string | readonly number[];

/** `prompt` as string, list of strings, ids, or list of ids; one or more come back. Throws what docs/wire.md says. */
export function readPrompts(value: unknown, call: Call): readonly Prompt[] {
  if (value === undefined || value === null) {
    throw new ServiceError(
      "missing_parameter",
      "Required parameter(prompt) missing or invalid, please check the request parameters.",
      { param: "prompt" },
    );
  }
  if (typeof value === "string") return [value];
  if (!Array.isArray(value)) throw notText();
  const items: readonly unknown[] = value;
  if (items.length === 0) throw invalid("prompt", "[] is too short");
  if (items.every((item) => typeof item === "number")) return [readTokens(items, call)];
  if (items.length > MAX_PROMPTS) {
    throw invalid("prompt", `At most ${MAX_PROMPTS} prompts are allowed in one call, found ${items.length}`);
  }
  if (items.every((item) => typeof item === "string")) return items;
  if (items.every((item) => Array.isArray(item))) return items.map((item) => readTokens(item, call));
  throw notText();
}

/** @param suffix of the request; undefined or empty: none. */
export function toContinuation(prompt: Prompt, suffix: string | undefined, dialect: Dialect, call: Call): Continuation {
  const hasSuffix = suffix !== undefined && suffix !== "";
  if (typeof prompt !== "string") {
    if (hasSuffix) throw invalid("suffix", "The suffix parameter needs a prompt of text, not of token ids.");
    return { kind: "tokens", tokens: prompt };
  }
  const input = hasSuffix
    ? promptWithSuffix(prompt, suffix, { allowsEmptyPrefix: dialect === "openai" })
    : parsePrompt(prompt, call.card.maxInputTokens);
  if (input.kind === "infill" && input.suffix !== "") checkLayout(call, hasSuffix ? "suffix" : "prompt");
  return input;
}

/** Without a layout the text after the gap would be lost (docs/wire.md 1.2a). */
function checkLayout({ card, infillModels }: Call, param: string): void {
  const { id, model } = card.answeredBy;
  if (model === undefined || model.fim !== undefined) return;
  const advice =
    infillModels.length === 0
      ? "leave the suffix out, or have the operator add weights that have one"
      : `leave the suffix out or choose one of: ${infillModels.join(", ")}`;
  const option =
    model.mayEmulate === true ? "; its operator may set `emulate: true` to have it asked by instruction" : "";
  throw new ServiceError(
    "unsupported_input",
    `The model ${card.name} is answered by "${id}", which has no fill-in-the-middle layout, so the suffix cannot be honoured; ${advice}${option}.`,
    { param, model: card.name },
  );
}

function readTokens(items: readonly unknown[], { card }: Call): readonly number[] {
  if (items.length === 0) throw emptyInput(card.maxInputTokens);
  const vocabularySize = card.answeredBy.model?.vocabularySize ?? Number.POSITIVE_INFINITY;
  return items.map((id) => {
    if (isTokenId(id) && id < vocabularySize) return id;
    const allowed = Number.isFinite(vocabularySize) ? `in [0, ${vocabularySize - 1}]` : "whole numbers from 0 on";
    throw invalid("prompt", `Token ids of prompt should be ${allowed}, found ${shown(id)}`);
  });
}

function notText(): Error {
  return invalid("prompt", "input content must be a string.");
}
