import type { Continuation, ControlToken, Infill, PromptPart } from "../continuation/input.ts";
import { invalid } from "./parameters.ts";
import { promptParts } from "./prompt-parts.ts";

/** Prompts of the completions route: fill-in-the-middle markers written by the caller (docs/wire.md 3.2, 3.3). */

type Marker = "<|fim_prefix|>" | "<|fim_suffix|>" | "<|fim_middle|>";

/** A marker and what stands between it and the next one. */
interface Section {
  readonly marker: Marker;
  readonly parts: readonly PromptPart[];
}

const MARKERS: readonly Marker[] = ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"];

const NO_PREFIX = "Generating a prefix from a suffix only is not supported, the prefix must not be empty.";

/** True when the text spells one of the three markers that lay out an infill. */
export function hasMarkers(prompt: string): boolean {
  return MARKERS.some((marker) => prompt.includes(marker));
}

export function emptyInput(maxInputTokens: number): Error {
  return invalid("prompt", `Range of input length should be [1, ${maxInputTokens}]`);
}

/**
 * A prompt without `suffix` field. Text without markers is continued as it is; with markers it is an infill.
 * Throws `invalid_parameter` for an empty prompt, a suffix alone, and malformed marker sequences.
 */
export function parsePrompt(
  prompt: string,
  maxInputTokens: number,
): Extract<Continuation, { parts: unknown }> | Infill {
  if (prompt === "") throw emptyInput(maxInputTokens);
  const parts = promptParts(prompt);
  return hasMarkers(prompt) ? infillFrom(parts, maxInputTokens) : { kind: "text", parts };
}

export interface SuffixOptions {
  /** OpenAI dialect: the cursor may be at the top of the file. */
  readonly allowsEmptyPrefix: boolean;
}

/** A prompt with a non-empty `suffix` field, which is never parsed for control tokens (form 5). */
export function promptWithSuffix(prompt: string, suffix: string, { allowsEmptyPrefix }: SuffixOptions): Infill {
  if (hasMarkers(prompt)) {
    throw invalid("suffix", "The suffix parameter cannot be used with fill-in-the-middle markers in the prompt.");
  }
  if (prompt === "" && !allowsEmptyPrefix) throw invalid("prompt", NO_PREFIX);
  const { context, prefix } = splitContext(promptParts(prompt));
  return { kind: "infill", context, prefix, suffix, middle: "", writtenMarkers: 0 };
}

/** Everything up to the last control token is context; after `<|file_sep|>` the path line belongs to it too (3.3). */
function splitContext(parts: readonly PromptPart[]): { context: readonly PromptPart[]; prefix: string } {
  const last = parts.findLastIndex((part) => "control" in part);
  const rest = parts.slice(last + 1);
  const context = parts.slice(0, last + 1);
  const prefix = textOf(rest);
  if (controlAt(parts, last) !== "<|file_sep|>" || !prefix.includes("\n")) return { context, prefix };
  const end = prefix.indexOf("\n") + 1;
  return { context: [...context, { text: prefix.slice(0, end) }], prefix: prefix.slice(end) };
}

function infillFrom(parts: readonly PromptPart[], maxInputTokens: number): Infill {
  const { context, sections } = sectionsOf(parts);
  checkSequence(sections, context);
  const textAfter = (marker: Marker): string => sectionText(sections.find((section) => section.marker === marker));
  const [prefix, suffix, middle] = [
    textAfter("<|fim_prefix|>"),
    textAfter("<|fim_suffix|>"),
    textAfter("<|fim_middle|>"),
  ];
  if (context.length === 0 && prefix === "" && suffix === "" && middle === "") throw emptyInput(maxInputTokens);
  // What stands before the prefix marker counts as prefix here (3.3).
  if (context.length === 0 && prefix === "" && suffix !== "") throw invalid("prompt", NO_PREFIX);
  return { kind: "infill", context, prefix, suffix, middle, writtenMarkers: sections.length };
}

function sectionsOf(parts: readonly PromptPart[]): { context: readonly PromptPart[]; sections: readonly Section[] } {
  const starts = parts.flatMap((_, index) => (markerAt(parts, index) === undefined ? [] : [index]));
  const sections = starts.flatMap((start, at) => {
    const marker = markerAt(parts, start);
    return marker === undefined ? [] : [{ marker, parts: parts.slice(start + 1, starts[at + 1]) }];
  });
  return { context: parts.slice(0, starts[0]), sections };
}

/** Accepts prefix–suffix and suffix–prefix, each with or without a middle marker at its end. */
function checkSequence(sections: readonly Section[], context: readonly PromptPart[]): void {
  const at = (marker: Marker): number => sections.findIndex((section) => section.marker === marker);
  const repeated = sections.find((section, index) => at(section.marker) !== index);
  if (repeated !== undefined) throw malformed(`"${repeated.marker}" occurs more than once`);

  const [prefix, suffix, middle] = [at("<|fim_prefix|>"), at("<|fim_suffix|>"), at("<|fim_middle|>")];
  const isMiddleEarly = middle >= 0 && middle < sections.length - 1;
  if (isMiddleEarly) throw malformed(`"<|fim_middle|>" stands before "${sections[middle + 1]?.marker}"`);
  if (prefix < 0 && suffix < 0) throw malformed('"<|fim_middle|>" without "<|fim_prefix|>" and "<|fim_suffix|>"');
  if (suffix < 0) throw malformed('"<|fim_prefix|>" without "<|fim_suffix|>"');
  // A suffix alone is form 3 and gets that message, unless text before it shows that the prefix marker was forgotten.
  if (prefix < 0 && context.length > 0) throw malformed('"<|fim_suffix|>" without "<|fim_prefix|>"');
}

/** Other control tokens have no place between the markers: there is no layout in which they would mean anything. */
function sectionText(section: Section | undefined): string {
  if (section === undefined) return "";
  const control = section.parts.flatMap((part) => ("control" in part ? [part.control] : []))[0];
  if (control !== undefined) throw malformed(`"${control}" stands after "${section.marker}"`);
  return textOf(section.parts);
}

function malformed(what: string): Error {
  return invalid("prompt", `The prompt has a malformed marker sequence: ${what}.`);
}

function textOf(parts: readonly PromptPart[]): string {
  return parts.map((part) => ("text" in part ? part.text : part.control)).join("");
}

function controlAt(parts: readonly PromptPart[], index: number): ControlToken | undefined {
  const part = parts[index];
  return part !== undefined && "control" in part ? part.control : undefined;
}

function markerAt(parts: readonly PromptPart[], index: number): Marker | undefined {
  const control = controlAt(parts, index);
  return MARKERS.find((marker) => marker === control);
}
