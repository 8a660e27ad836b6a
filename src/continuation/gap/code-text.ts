/** Text as a person reads code: visible characters, and the blanks in front of them. */

/** Tab stops of an editor. */
const TAB_WIDTH = 4;

/** Blanks in a row, possibly none. */
export interface Blank {
  readonly length: number;
  readonly hasBreak: boolean;
  /** Column of what follows, where there is a line break. */
  readonly column: number;
}

export const NO_BLANK: Blank = { length: 0, hasBreak: false, column: 0 };

/** @param character a blank. */
export function extended({ length, hasBreak, column }: Blank, character: string): Blank {
  if (character === "\n") return { length: length + 1, hasBreak: true, column: 0 };
  return { length: length + 1, hasBreak, column: column + (character === "\t" ? TAB_WIDTH - (column % TAB_WIDTH) : 1) };
}

/** A character that is no blank, and what stands in front of it. */
export interface Glyph {
  readonly character: string;
  readonly before: Blank;
}

export function glyphsOf(text: string): readonly Glyph[] {
  const glyphs: Glyph[] = [];
  let before = NO_BLANK;
  for (const character of text) {
    if (isBlank(character)) before = extended(before, character);
    else {
      glyphs.push({ character, before });
      before = NO_BLANK;
    }
  }
  return glyphs;
}

/** The text behind the last line break. */
export function lastLine(text: string): string {
  return text.slice(text.lastIndexOf("\n") + 1);
}

export function isBlank(text: string): boolean {
  return text.trim() === "";
}

/** A letter, digit, `_` or `$`; false for nothing. */
export function isWord(character: string | undefined): boolean {
  return character !== undefined && /^[\p{L}\p{N}_$]/u.test(character);
}
