import { CONTROL_TOKENS, type ControlToken, type PromptPart } from "../continuation/input.ts";

/** Message contents may spell these; the three ChatML tokens stay text there, so nobody can forge a turn (docs/wire.md 3.1). */
const CONTENT_CONTROLS: readonly ControlToken[] = [
  "<|fim_prefix|>",
  "<|fim_middle|>",
  "<|fim_suffix|>",
  "<|fim_pad|>",
  "<|repo_name|>",
  "<|file_sep|>",
];

const PROMPT_PATTERN = patternOf(CONTROL_TOKENS);
const CONTENT_PATTERN = patternOf(CONTENT_CONTROLS);

/** A completions prompt: all nine spellings are control tokens. The parts, joined, are the text. */
export function promptParts(text: string): PromptPart[] {
  return split(text, PROMPT_PATTERN);
}

/** A message content: only fill-in-the-middle and repository spellings are control tokens. */
export function contentParts(text: string): PromptPart[] {
  return split(text, CONTENT_PATTERN);
}

function patternOf(controls: readonly ControlToken[]): RegExp {
  return new RegExp(`(${controls.map((control) => control.replaceAll("|", "\\|")).join("|")})`);
}

/** `split` with a capturing pattern alternates text and match; empty texts are dropped. */
function split(text: string, pattern: RegExp): PromptPart[] {
  return text.split(pattern).flatMap((piece, index): PromptPart[] => {
    if (index % 2 === 1 && isControl(piece)) return [{ control: piece }];
    return piece === "" ? [] : [{ text: piece }];
  });
}

function isControl(text: string): text is ControlToken {
  return CONTROL_TOKENS.some((control) => control === text);
}
