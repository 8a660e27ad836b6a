import type { Continuation, PromptPart } from "./input.ts";

/** UTF-8 bytes of a token, rather few than many: a guess should be enough for the prompt. */
const BYTES_PER_TOKEN = 3;

/** Tokens of a prompt, where nobody who knows has said. */
export function guessedPromptTokens(input: Continuation): number {
  if (input.kind === "tokens") return input.tokens.length;
  return Math.ceil(Buffer.byteLength(textOf(input)) / BYTES_PER_TOKEN);
}

function textOf(input: Exclude<Continuation, { readonly kind: "tokens" }>): string {
  if (input.kind === "text") return joined(input.parts);
  if (input.kind === "infill") return joined(input.context) + input.prefix + input.suffix + input.middle;
  return input.messages.map(({ content }) => joined(content)).join("") + (input.assistantPrefix ?? "");
}

function joined(parts: readonly PromptPart[]): string {
  return parts.map((part) => ("text" in part ? part.text : part.control)).join("");
}
