import { closersOwed, unmatchedClosers } from "./brackets.ts";
import { type Blank, extended, type Glyph, glyphsOf, isBlank, isWord, lastLine, NO_BLANK } from "./code-text.ts";
import type { GapStage, Verdict } from "./gap-stage.ts";
import { Match } from "./match.ts";

/** Longest text held back while it may still turn out to be the suffix. UTF-16 units. */
const MOST_HELD = 512;

/** As much of a suffix as an answer can be seen to repeat. UTF-16 units. */
const MOST_COMPARED = 2 * MOST_HELD;

/** What a model closes or separates once more although the suffix does. */
const CLOSING_PUNCTUATION = /^[\s)\]},;:]+$/;

/**
 * Ends an answer that goes on into the suffix: a model that does not know where a gap ends repeats what stands behind it.
 *
 * Text that may still turn out to be the suffix is held back, at most `MOST_HELD` of it, so what is shown does not depend on
 * how the answer was cut into pieces.
 */
export class SuffixEcho implements GapStage {
  readonly #before: string;
  readonly #suffix: string;
  readonly #glyphs: readonly Glyph[];
  /** The blanks that the suffix begins with. */
  readonly #lead: string;
  #answer = "";
  #shown = 0;
  /** Places from which the answer has been the suffix so far, in order. */
  #matches: readonly Match[] = [];
  /** Blanks at the end of the answer, since the last glyph of it or of the text before it. */
  #blank: Blank;
  #lastGlyph: string | undefined;

  /** @param before the text in front of the answer. @param suffix the text behind the gap; not blank. */
  constructor(before: string, suffix: string) {
    this.#before = before;
    this.#suffix = suffix;
    this.#lead = suffix.slice(0, suffix.length - suffix.trimStart().length);
    this.#glyphs = glyphsOf(suffix.slice(0, this.#lead.length + MOST_COMPARED));
    const line = lastLine(before);
    const indentation = line.slice(line.trimEnd().length);
    const isFresh = isBlank(line);
    this.#blank = [...(isFresh ? `\n${indentation}` : indentation)].reduce(extended, NO_BLANK);
    this.#lastGlyph = line.trimEnd().at(-1);
  }

  push(piece: string): Verdict {
    const from = this.#shown;
    for (const character of piece) {
      this.#answer += character;
      const found = isBlank(character) ? this.#takeBlank(character) : this.#takeGlyph(character);
      if (found !== undefined) return { text: this.#answer.slice(from, this.#endBefore(found)), found: true };
      this.#release();
    }
    return { text: this.#answer.slice(from, this.#shown), found: false };
  }

  /** A whole answer ends before it begins to repeat the suffix, however little of it; a cut one must have repeated enough. */
  end(isWhole: boolean): Verdict {
    const found = this.#matches.find((match) => match.isTelling || (isWhole && this.#isOverlap(match)));
    const end = found === undefined ? this.#answer.length : this.#endBefore(found);
    return { text: this.#answer.slice(this.#shown, end), found: found !== undefined };
  }

  #takeBlank(character: string): Match | undefined {
    this.#blank = extended(this.#blank, character);
    if (character !== "\n") return undefined;
    const found = this.#matches.find(
      (match) => match.endsLine && (match.isTelling || (match.isExhausted && this.#belongsToSuffix(match))),
    );
    // A line of the answer has ended; so must the suffix's.
    this.#matches = this.#matches.filter((match) => match.endsLine && !match.isExhausted);
    return found;
  }

  #takeGlyph(character: string): Match | undefined {
    const going: Match[] = [];
    for (const match of this.#matches) {
      const outcome = match.take(character, this.#blank);
      if (outcome === "repeats") return match;
      if (outcome === "agrees") going.push(match);
    }
    if (this.#mayBegin(character)) going.push(new Match(this.#answer.length - character.length, this.#glyphs));
    this.#matches = going;
    this.#blank = NO_BLANK;
    this.#lastGlyph = character;
    return undefined;
  }

  /** The suffix may begin with this character: not within a word, and on a line of its own if it has one. */
  #mayBegin(character: string): boolean {
    if (character !== this.#glyphs[0]?.character) return false;
    const { length, hasBreak, column } = this.#blank;
    const needsLine = this.#lead.includes("\n");
    if (!hasBreak) return !needsLine && !(length === 0 && isWord(this.#lastGlyph) && isWord(character));
    // Where whole lines are missing, the suffix begins with the indentation of a line.
    const isIndented = needsLine || (this.#lead !== "" && this.#before.endsWith("\n"));
    return !isIndented || column === this.#glyphs[0].before.column;
  }

  /** The end of a whole answer is the beginning of the suffix: lines of it, or punctuation that closes the gap. */
  #isOverlap(match: Match): boolean {
    const tail = this.#answer.slice(match.start);
    return (match.endsLine || CLOSING_PUNCTUATION.test(tail)) && this.#belongsToSuffix(match);
  }

  /** Brackets from there on that close what the answer has opened, or what the suffix leaves open, are the answer's own. */
  #belongsToSuffix({ start }: Match): boolean {
    const closing = unmatchedClosers(this.#answer.slice(start));
    if (closing === 0) return true;
    const before = unmatchedClosers(this.#answer.slice(0, start));
    if (unmatchedClosers(this.#answer) < before + closing) return false;
    return before >= closersOwed(this.#before, this.#suffix);
  }

  /** Where the answer ends if the suffix begins there: in front of the blanks that the suffix brings along. */
  #endBefore({ start }: Match): number {
    const end = this.#answer.slice(0, start).trimEnd().length;
    const blank = this.#answer.slice(end, start);
    const breaks = this.#lead.split("\n").length - 1;
    if (breaks === 0) return this.#lead === "" ? start : end + blank.lastIndexOf("\n") + 1;
    let at = blank.length;
    for (let left = breaks; left > 0 && at > 0; left -= 1) at = Math.max(0, blank.lastIndexOf("\n", at - 1));
    return end + (blank.charAt(at - 1) === "\r" ? at - 1 : at);
  }

  /** Shows what lies before the first place where the suffix may begin, without the blanks in front of it. */
  #release(): void {
    const open = this.#matches[0]?.start ?? this.#answer.length;
    const decided = this.#shown + this.#answer.slice(this.#shown, open).trimEnd().length;
    this.#shown = this.#answer.length - decided > MOST_HELD ? this.#answer.length : decided;
    if (this.#shown > open) this.#matches = this.#matches.filter((match) => match.start >= this.#shown);
  }
}
