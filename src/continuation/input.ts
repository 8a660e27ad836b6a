/**
 * The nine control tokens that callers may spell (docs/wire.md 3.1). The Qwen spelling is the canonical name;
 * `lower.ts` translates it to the spelling of the weights that answer.
 */
export const CONTROL_TOKENS = [
  "<|endoftext|>",
  "<|im_start|>",
  "<|im_end|>",
  "<|fim_prefix|>",
  "<|fim_middle|>",
  "<|fim_suffix|>",
  "<|fim_pad|>",
  "<|repo_name|>",
  "<|file_sep|>",
] as const;

export type ControlToken = (typeof CONTROL_TOKENS)[number];

/** A stretch of a prompt: plain text, never parsed for control tokens, or one control token. */
export type PromptPart = { readonly text: string } | { readonly control: ControlToken };

/** What is to be continued. Text is kept byte for byte; nothing is trimmed anywhere. */
export type Continuation =
  /** Raw text, with control tokens where the protocol lets callers write them. */
  { readonly kind: "text"; readonly parts: readonly PromptPart[] } | TokenPrompt | Infill | Chat;

/** A prompt of ids. */
export interface TokenPrompt {
  readonly kind: "tokens";
  readonly tokens: readonly number[];
  /** What of the answer is there already; generation goes on after it. */
  readonly answer?: string;
}

/** Text missing between `prefix` and `suffix`. */
export interface Infill {
  readonly kind: "infill";
  /** What stands before the prefix marker: other files, repository headers. Empty: nothing. */
  readonly context: readonly PromptPart[];
  readonly prefix: string;
  readonly suffix: string;
  /** The beginning of the middle, when the caller already has one; generation goes on after it. */
  readonly middle: string;
  /** FIM markers the caller wrote, without those in `context`: they count as prompt tokens, added ones do not. */
  readonly writtenMarkers: number;
}

/** A dialogue. With `assistantPrefix` the last turn is open and is continued; without it a new answer begins. */
export interface Chat {
  readonly kind: "chat";
  readonly messages: readonly Message[];
  readonly assistantPrefix?: string;
}

export interface Message {
  readonly role: "system" | "user" | "assistant" | "tool";
  /** FIM and repository markers may occur as control parts; everything else is text. */
  readonly content: readonly PromptPart[];
  readonly toolCalls?: readonly ToolCall[];
}

export interface ToolCall {
  readonly name: string;
  /** JSON text, as the model wrote it. */
  readonly arguments: string;
}
