/** Weights, what callers ask of them, and a look at the prompts that this becomes. */
import fc from "fast-check";
import { FIM_LAYOUTS, type FimLayout } from "../../src/continuation/fim.ts";
import { type Chat, CONTROL_TOKENS, type Infill, type Message, type PromptPart } from "../../src/continuation/input.ts";
import type { Weights } from "../../src/continuation/lower.ts";
import { type LoweredPart, type LoweredPrompt, mergeTexts } from "../../src/continuation/prompt.ts";
import { ServiceError } from "../../src/errors.ts";

/** One of ours, by its name. */
export function layout(family: string): FimLayout {
  const found = FIM_LAYOUTS.find((each) => each.family === family);
  if (found === undefined) throw new RangeError(family);
  return found;
}

/** Speaks ChatML, and fills in prefix first. */
export const QWEN: Weights = {
  id: "qwen",
  controls: new Set(CONTROL_TOKENS),
  fim: layout("qwen"),
  templateTokens: { bos: "", eos: "<|im_end|>" },
};

/** Suffix first, no middle marker, and a beginning of its own. */
export const CODESTRAL: Weights = {
  id: "codestral",
  controls: new Set(["[PREFIX]", "[SUFFIX]", "<s>", "</s>"]),
  fim: layout("codestral"),
  bos: "<s>",
  templateTokens: { bos: "<s>", eos: "</s>" },
};

/** Neither chats nor fills in. */
export const PLAIN: Weights = { id: "plain", controls: new Set(["</s>"]), templateTokens: { bos: "", eos: "</s>" } };

/** Of all sections, neighbouring texts joined. */
export function partsOf({ sections }: LoweredPrompt): readonly LoweredPart[] {
  return mergeTexts(sections.flatMap(({ parts }) => parts));
}

/** The prompt as one text, control tokens spelt. */
export function joined(prompt: LoweredPrompt): string {
  return partsOf(prompt)
    .map((part) => ("text" in part ? part.text : "control" in part ? part.control : JSON.stringify(part.tokens)))
    .join("");
}

/** Tokens as reported when every character of text is one token. */
export function counted(prompt: LoweredPrompt): number {
  const lengths = partsOf(prompt).map((part) => ("text" in part ? [...part.text].length : 1));
  return lengths.reduce((sum, length) => sum + length, prompt.countOffset);
}

/** Of the sections that hold anything, in order. */
export function rolesOf({ sections }: LoweredPrompt): string {
  return sections
    .filter(({ parts }) => parts.length > 0)
    .map(({ role }) => role)
    .join(" ");
}

/** A message; strings are text. */
export function says(role: Message["role"], ...content: (string | PromptPart)[]): Message {
  return { role, content: content.map((each) => (typeof each === "string" ? { text: each } : each)) };
}

/** Without a prefix: a new answer. */
export function chat(messages: readonly Message[], assistantPrefix?: string): Chat {
  return { kind: "chat", messages, ...(assistantPrefix !== undefined && { assistantPrefix }) };
}

/** Between `P` and `S`, every marker written, unless said otherwise. */
export function infill(over: Partial<Infill>): Infill {
  return { kind: "infill", context: [], prefix: "P", suffix: "S", middle: "", writtenMarkers: 3, ...over };
}

/** The two kinds of part. */
export const control = (spelling: string) => ({ control: spelling });
export const text = (content: string) => ({ text: content });

/** Any text, with what servers have stumbled over mixed in, and `others`. */
export function anyText(...others: readonly string[]): fc.Arbitrary<string> {
  const stumbles = ["\uE0F00\uE0F1", "\uE0F0", "\uE0F1", "\uFEFF", " ", "\n", "$&", "{{ x }}", "</s>"];
  const pieces = fc.oneof(
    fc.string({ unit: "binary", maxLength: 6 }),
    fc.constantFrom(...CONTROL_TOKENS, ...stumbles, ...others),
  );
  return fc.array(pieces, { maxLength: 4 }).map((found) => found.join(""));
}

/** The error that `act` is refused with. */
export function refusal(act: () => unknown): ServiceError {
  try {
    act();
  } catch (error) {
    if (error instanceof ServiceError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}
