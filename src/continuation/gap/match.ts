import { type Blank, type Glyph, isWord } from "./code-text.ts";

/** Word characters that must agree, up to the end of a line, before it cannot be a coincidence. */
const TELLING = 12;

/** The same within a line, which may be too long to wait for its end. */
const CERTAIN = 32;

/** What an answer is compared with. */
export interface Compared {
  /** Of the beginning of the suffix, at least one. */
  readonly glyphs: readonly Glyph[];
  /** The suffix may go on behind them, for all that is known. */
  readonly isCut: boolean;
  /** A line of the suffix ends behind them for certain. */
  readonly endsLine: boolean;
}

/**
 * An answer that, from some place on, has been the suffix so far. Code is compared as a person does: line breaks and the
 * indentation behind them count, other blanks only between two words.
 */
export class Match {
  /** Where it begins, as the caller counts. */
  readonly start: number;
  readonly #suffix: Compared;
  /** Glyphs of the suffix that agree. */
  #place = 1;
  /** Word characters among them. */
  #telling: number;
  /** Line breaks that agree, too. */
  #breaks = 0;

  /** @param suffix the first of it has been found at `start`. */
  constructor(start: number, suffix: Compared) {
    this.start = start;
    this.#suffix = suffix;
    this.#telling = isWord(suffix.glyphs[0]?.character) ? 1 : 0;
  }

  /** It repeats so much of the suffix that it cannot be a coincidence. */
  get isTelling(): boolean {
    return this.#telling >= TELLING;
  }

  /** The end of its line need not be waited for. */
  get isCertain(): boolean {
    return this.#telling >= CERTAIN;
  }

  /** Whole lines of it agree, and what follows them so far. */
  get spansLines(): boolean {
    return this.#breaks >= 2;
  }

  /** It ends where a line of the suffix ends. */
  get endsLine(): boolean {
    return this.#next?.before.hasBreak ?? this.#suffix.endsLine;
  }

  /** The suffix has been repeated to its end. */
  get isExhausted(): boolean {
    return this.#next === undefined && !this.#suffix.isCut;
  }

  /**
   * Takes the next character of the answer that is no blank.
   *
   * @param before the blanks in front of it.
   * @returns whether the suffix goes on so, too.
   */
  take(character: string, before: Blank): boolean {
    const expected = this.#next;
    if (expected === undefined || character !== expected.character) return false;
    if (!isSeparatedAlike(this.#last, before, expected)) return false;
    this.#place += 1;
    if (before.hasBreak) this.#breaks += 1;
    if (isWord(character)) this.#telling += 1;
    return true;
  }

  get #next(): Glyph | undefined {
    return this.#suffix.glyphs[this.#place];
  }

  get #last(): string | undefined {
    return this.#suffix.glyphs[this.#place - 1]?.character;
  }
}

function isSeparatedAlike(last: string | undefined, before: Blank, expected: Glyph): boolean {
  if (before.hasBreak || expected.before.hasBreak) {
    return before.hasBreak && expected.before.hasBreak && before.column === expected.before.column;
  }
  const separatesWords = isWord(last) && isWord(expected.character);
  return !separatesWords || before.length > 0 === expected.before.length > 0;
}
