import { Brackets, closersOwed, unmatchedClosers } from "./brackets.ts";
import { type Blank, extended, glyphsOf, isBlank, isWord, lastLine, NO_BLANK } from "./code-text.ts";
import type { GapStage, Verdict } from "./gap-stage.ts";
import { type Compared, Match } from "./match.ts";

/** Longest text held back while it may still turn out to be the suffix. UTF-16 units. */
const MOST_HELD = 512;

/** As much of a suffix as an answer can be seen to repeat. UTF-16 units. */
const MOST_COMPARED = 2 * MOST_HELD;

/** What closes or separates code, and may stand behind the gap already. */
const CLOSING_PUNCTUATION = /^[\s)\]},;:]+$/;

/**
 * Ends an answer that goes on into the suffix: a model that does not know where a gap ends repeats what stands behind it.
 *
 * Text that may still turn out to be the suffix is held back, at most `MOST_HELD` of it, so what is shown does not depend on
 * how the answer was cut into pieces.
 */
export class SuffixEcho implements GapStage {
  readonly #before: string;
  readonly #suffix: Compared;
  /** The blanks that the suffix begins with. */
  readonly #lead: string;
  /** Brackets of the text before the gap that the answer closes for the suffix. */
  readonly #owed: number;
  /** The end of the answer that is not shown. */
  #held = "";
  /** Length of what is shown of the answer. UTF-16 units. */
  #shown = 0;
  readonly #shownBrackets = new Brackets();
  /** More than blanks is shown. */
  #showsText = false;
  /** Places from which the answer has been the suffix so far, in order. */
  #matches: readonly Match[] = [];
  /** Blanks at the end of the answer, since the last glyph of it or of the text before it. */
  #blank: Blank;
  #lastGlyph: string | undefined;

  /**
   * @param before the text in front of the answer. @param suffix the text behind the gap; not blank.
   * @param isCut the text may go on behind the suffix.
   */
  constructor(before: string, suffix: string, isCut: boolean) {
    this.#before = before;
    this.#owed = closersOwed(before, suffix);
    this.#lead = suffix.slice(0, suffix.length - suffix.trimStart().length);
    this.#suffix = compared(suffix, this.#lead.length + MOST_COMPARED, isCut);
    const line = lastLine(before);
    const indentation = line.slice(line.trimEnd().length);
    const isFresh = isBlank(line);
    this.#blank = [...(isFresh ? `\n${indentation}` : indentation)].reduce(extended, NO_BLANK);
    this.#lastGlyph = line.trimEnd().at(-1);
  }

  push(piece: string): Verdict {
    let text = "";
    for (const character of piece) {
      this.#held += character;
      const found = isBlank(character) ? this.#takeBlank(character) : this.#takeGlyph(character);
      if (found !== undefined) return { text: text + this.#heldBefore(found), found: true };
      text += this.#release();
    }
    return { text, found: false };
  }

  /** A whole answer ends before it begins to repeat the suffix, however little of it; a cut one must have repeated enough. */
  end(isWhole: boolean): Verdict {
    const found = this.#matches.find((match) => this.#tells(match) || (isWhole && this.#isOverlap(match)));
    return { text: found === undefined ? this.#held : this.#heldBefore(found), found: found !== undefined };
  }

  #takeBlank(character: string): Match | undefined {
    this.#blank = extended(this.#blank, character);
    if (character !== "\n") return undefined;
    const found = this.#matches.find(
      (match) => match.endsLine && (this.#tells(match) || (match.isExhausted && this.#belongsToSuffix(match))),
    );
    // A line of the answer has ended; so must the suffix's.
    this.#matches = this.#matches.filter((match) => match.endsLine && !match.isExhausted);
    return found;
  }

  #takeGlyph(character: string): Match | undefined {
    const going: Match[] = [];
    for (const match of this.#matches) {
      if (!match.take(character, this.#blank)) continue;
      if (match.isCertain || (match.spansLines && this.#tells(match))) return match;
      going.push(match);
    }
    if (this.#mayBegin(character)) {
      going.push(new Match(this.#shown + this.#held.length - character.length, this.#suffix));
    }
    this.#matches = going;
    this.#blank = NO_BLANK;
    this.#lastGlyph = character;
    return undefined;
  }

  /** The suffix may begin with this character: not within a word, and on a line of its own if it has one. */
  #mayBegin(character: string): boolean {
    const [first] = this.#suffix.glyphs;
    if (character !== first?.character) return false;
    const { length, hasBreak, column } = this.#blank;
    const needsLine = this.#lead.includes("\n");
    if (!hasBreak) return !needsLine && !(length === 0 && isWord(this.#lastGlyph) && isWord(character));
    // Where whole lines are missing, the suffix begins with the indentation of a line.
    const isIndented = needsLine || (this.#lead !== "" && this.#before.endsWith("\n"));
    return !isIndented || column === first.before.column;
  }

  /** A line may well stand twice where code has cases. Without it nothing would be left of the answer: then it takes more. */
  #tells(match: Match): boolean {
    return match.isTelling && (this.#showsText || !isBlank(this.#held.slice(0, match.start - this.#shown)));
  }

  /** The end of a whole answer is the beginning of the suffix: lines of it, or punctuation that closes the gap. */
  #isOverlap(match: Match): boolean {
    const tail = this.#held.slice(match.start - this.#shown);
    return (match.endsLine || CLOSING_PUNCTUATION.test(tail)) && this.#belongsToSuffix(match);
  }

  /** Brackets from there on that close what the answer has opened, or what the suffix leaves open, are the answer's own. */
  #belongsToSuffix({ start }: Match): boolean {
    const place = start - this.#shown;
    const closing = unmatchedClosers(this.#held.slice(place));
    if (closing === 0) return true;
    const before = this.#shownBrackets.unmatchedWith(this.#held.slice(0, place));
    if (this.#shownBrackets.unmatchedWith(this.#held) < before + closing) return false;
    return before >= this.#owed;
  }

  /** What comes before the suffix if it begins there, without the blanks that the suffix brings along. */
  #heldBefore({ start }: Match): string {
    const before = this.#held.slice(0, start - this.#shown);
    const end = before.trimEnd().length;
    const blank = before.slice(end);
    const breaks = this.#lead.split("\n").length - 1;
    if (breaks === 0) return this.#lead === "" ? before : before.slice(0, end + blank.lastIndexOf("\n") + 1);
    let at = blank.length;
    for (let left = breaks; left > 0 && at > 0; left -= 1) at = Math.max(0, blank.lastIndexOf("\n", at - 1));
    return before.slice(0, end + (blank.charAt(at - 1) === "\r" ? at - 1 : at));
  }

  /** What lies before the first place where the suffix may begin, without the blanks in front of it; shown from now on. */
  #release(): string {
    const open = (this.#matches[0]?.start ?? this.#shown + this.#held.length) - this.#shown;
    const decided = this.#held.slice(0, open).trimEnd().length;
    const isTooLong = this.#held.length - decided > MOST_HELD;
    const text = isTooLong ? this.#held : this.#held.slice(0, decided);
    if (text === "") return "";
    this.#held = this.#held.slice(text.length);
    this.#shown += text.length;
    this.#shownBrackets.push(text);
    this.#showsText ||= !isBlank(text);
    if (isTooLong) this.#matches = this.#matches.filter((match) => match.start >= this.#shown);
    return text;
  }
}

/** The first so many units of a suffix. Where it is cut, its last line that is seen ends only if its line break is seen. */
function compared(suffix: string, most: number, isSuffixCut: boolean): Compared {
  const text = suffix.slice(0, most);
  const isCut = isSuffixCut || text.length < suffix.length;
  return { glyphs: glyphsOf(text), isCut, endsLine: !isCut || text.slice(text.trimEnd().length).includes("\n") };
}
