/** What is measured of one answer. `eval/README.md` says the same for people. */
import { distance } from "fastest-levenshtein";
import { type InfillCase, isWithinLine } from "./infill-case.ts";
import type { Style } from "./request.ts";

/** What a server answered. */
export interface Answer {
  readonly text: string;
  /** Why it ended; undefined where the server does not say. */
  readonly finish: string | undefined;
  /** Milliseconds from sending to the first and to the last text; to the end where there is none. */
  readonly firstMs: number;
  readonly lastMs: number;
  /** Completion tokens as the server counts them, else the pieces the text came in. */
  readonly tokens: number;
}

/** Absent: does not apply to the case or to the style. */
export interface Score {
  /** Equal to the middle but for blanks at the end. */
  readonly exact: boolean;
  /** The same of the first line of the answer; of gaps that end with their line. */
  readonly firstLine?: boolean;
  /** The cut word is completed as it was; of cursors inside words. */
  readonly word?: boolean;
  /** 1 − edit distance / length of the longer one, blanks at the end left out. 0 … 1. */
  readonly similarity: number;
  /** The model ended the answer, not the limit. */
  readonly stops?: boolean;
  /** The answer goes on into the suffix. */
  readonly repeats: boolean;
  /** Control tokens as text. */
  readonly leaked: readonly string[];
}

/** Characters without blanks: as much of the suffix tells for certain; fewer do where the answer ends with them. */
const REPEATED_CHARACTERS = 24;
const REPEATED_CHARACTERS_AT_END = 8;

/** Spellings of control tokens of the usual families: Qwen and StarCoder, DeepSeek, Code Llama, Codestral. */
const CONTROL_TOKEN =
  /<[|｜][^|｜<>\s]{1,30}[|｜]>|<(?:fim_(?:prefix|suffix|middle|pad)|file_sep|repo_name|\/s|EOT|PRE|SUF|MID)>|\[(?:PREFIX|SUFFIX|MIDDLE)\]/g;

export function scoreOf(infill: InfillCase, style: Style, answer: Answer): Score {
  const text = style === "raw" ? cutLikeMiddle(answer.text, infill) : answer.text;
  const middle = infill.middle.trimEnd();
  const written = text.trimEnd();
  const firstLine = (text.split("\n", 1)[0] ?? "").trimEnd();
  return {
    exact: written === middle,
    ...(isWithinLine(infill) ? { firstLine: firstLine === middle } : {}),
    ...(infill.kind === "mid-word" ? { word: wordAt(text) === wordAt(middle) } : {}),
    similarity: similarity(written, middle),
    ...(style === "raw" ? {} : { stops: answer.finish === "stop" }),
    repeats: goesOnInto(text, infill.suffix) && !goesOnInto(infill.middle, infill.suffix),
    leaked: leakedTokens(text, infill),
  };
}

/** 0 … 1; 1 for two empty texts. Unit: UTF-16 code units. */
export function similarity(a: string, b: string): number {
  const longest = Math.max(a.length, b.length);
  return longest === 0 ? 1 : 1 - distance(a, b) / longest;
}

/**
 * The text contains the beginning of the suffix, or ends with it.
 *
 * Blanks do not count. Inside the text it takes the suffix's first 24 characters (all, where it has fewer, but at least
 * 8), at its end 8: a closing bracket or an `else:` may well stand on both sides.
 */
export function goesOnInto(text: string, suffix: string): boolean {
  const [written, following] = [withoutBlanks(text), withoutBlanks(suffix)];
  for (let at = 0; at + REPEATED_CHARACTERS_AT_END <= written.length; at += 1) {
    const rest = written.slice(at, at + REPEATED_CHARACTERS);
    const isAtEnd = at + rest.length === written.length;
    const needed = isAtEnd ? rest : following.slice(0, REPEATED_CHARACTERS);
    if (needed.length >= REPEATED_CHARACTERS_AT_END && rest.startsWith(needed) && following.startsWith(needed))
      return true;
  }
  return false;
}

/**
 * Raw continuation cannot know where the gap ends, so it is told: as many lines as the middle has, and of a span as many
 * characters. That favours it.
 */
function cutLikeMiddle(text: string, { kind, middle }: InfillCase): string {
  if (kind === "random-span") return text.slice(0, middle.length);
  return text.split("\n").slice(0, middle.trimEnd().split("\n").length).join("\n");
}

function wordAt(text: string): string {
  return /^[\p{L}\p{N}_$]*/u.exec(text)?.[0] ?? "";
}

function leakedTokens(text: string, { prefix, middle, suffix }: InfillCase): readonly string[] {
  const found = new Set(text.match(CONTROL_TOKEN) ?? []);
  return [...found].filter((token) => ![prefix, middle, suffix].some((around) => around.includes(token)));
}

function withoutBlanks(text: string): string {
  return text.replaceAll(/\s/g, "");
}
