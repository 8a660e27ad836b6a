import type { Gap } from "./gap/gap-end.ts";
import type { ThoughtAtStart } from "./thought.ts";

/** A prompt as an engine takes it: control tokens in the spelling of the weights, text that is never parsed for them. */
export type LoweredPart = LoweredText | { readonly control: string } | { readonly tokens: readonly number[] };

export interface LoweredText {
  readonly text: string;
  /** The ids with which weights have written it, and which stand for it where they spell it. Absent: those of its text. */
  readonly written?: readonly number[];
}

/**
 * A stretch of the prompt and what may become of it when the whole is too long and the caller allows cutting:
 * `fixed` stays; `turn` goes as a whole, oldest first; `context` and `prefix` lose their left, `suffix` its right.
 */
export interface PromptSection {
  readonly role: "fixed" | "turn" | "context" | "prefix" | "suffix";
  readonly parts: readonly LoweredPart[];
}

export interface LoweredPrompt {
  readonly sections: readonly PromptSection[];
  /** Added to the number of tokens to get what is reported: control tokens the caller wrote minus those rendered. */
  readonly countOffset: number;
  /** Where the answer goes on with text that the caller wrote; absent where it begins with something new. */
  readonly heal?: HealingPoint;
  /** UTF-16 units of text that were cut off before (`withinRoom`). */
  readonly cutUnits?: number;
  /** The gap that the answer fills, if it fills one. */
  readonly gap?: LoweredGap;
  /** The thought that the answer may begin with, which is no part of it. Absent: none. */
  readonly thought?: ThoughtAtStart;
}

/** Where the answer to an infill has to end. */
export interface LoweredGap extends Gap {
  /** Added to the logits of end tokens where the answer may end; 0 for weights that know by themselves. */
  readonly endBias: number;
  /** End it there unless a request says otherwise. */
  readonly byDefault: boolean;
}

/** The end of a text that is continued and may have been cut inside a token. */
export interface HealingPoint {
  /** Index of the section whose last part is that text. */
  readonly section: number;
  /** Its length in UTF-8, bytes: nothing before it may be generated anew. */
  readonly bytes: number;
  /** Heal unless somebody says otherwise. */
  readonly byDefault: boolean;
}

/** Neighbouring texts become one: they must be encoded together, as the string they are. */
export function mergeTexts(parts: readonly LoweredPart[]): readonly LoweredPart[] {
  const merged: LoweredPart[] = [];
  for (const part of parts) {
    const last = merged.at(-1);
    if ("text" in part && part.text === "") continue;
    if (last !== undefined && "text" in last && "text" in part)
      merged[merged.length - 1] = { text: last.text + part.text };
    else merged.push(part);
  }
  return merged;
}

/**
 * How many tokens of each section to keep so that the sum is at most `budget`; undefined if that cannot be.
 * Whole turns go first, then context, then prefix and suffix, of which the suffix may claim a quarter of what they share.
 *
 * @param lengths tokens per section.
 */
export function allot(
  sections: readonly Pick<PromptSection, "role">[],
  lengths: readonly number[],
  budget: number,
): readonly number[] | undefined {
  const keep = [...lengths];
  const of = (role: PromptSection["role"]): number[] =>
    [...sections.keys()].filter((index) => sections[index]?.role === role);
  const at = (index: number): number => keep[index] ?? 0;
  let excess = lengths.reduce((sum, length) => sum + length, 0) - budget;
  const take = (index: number, amount: number): void => {
    keep[index] = at(index) - amount;
    excess -= amount;
  };

  for (const index of of("turn")) if (excess > 0) take(index, at(index));
  for (const index of of("context")) if (excess > 0) take(index, Math.min(excess, at(index)));
  const [prefix, suffix] = [of("prefix"), of("suffix")];
  const shared = [...prefix, ...suffix].reduce((sum, index) => sum + at(index), 0) - Math.max(0, excess);
  for (const index of suffix) {
    const others = prefix.reduce((sum, each) => sum + at(each), 0);
    const kept = Math.min(at(index), Math.max(Math.floor(shared / 4), shared - others));
    if (excess > 0 && shared >= 0) take(index, at(index) - kept);
  }
  for (const index of prefix) if (excess > 0) take(index, Math.min(excess, at(index)));
  return excess > 0 ? undefined : keep;
}
