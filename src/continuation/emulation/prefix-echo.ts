import { isWord, lastLine } from "../gap/code-text.ts";
import type { Stage } from "./stage.ts";

/** As much of the text before as an answer may repeat, besides all of it. */
const MOST_LINES = 32;
const MOST_UNITS = 4096;

/** Word characters that a repeated line has at least: shorter lines stand twice for good reasons. */
const TELLING = 3;

/**
 * Takes off the beginning of an answer what it repeats of the text before it: all of that text, or its last lines, from the
 * beginning of a line or the first glyph of one. Of a line that has blanks only, the blanks. Anything else comes out whole.
 */
export class PrefixEcho implements Stage {
  /** What the answer may repeat, longest first. */
  readonly #echoes: readonly string[];
  #held = "";
  #isOver: boolean;

  constructor(before: string) {
    this.#echoes = echoesOf(before);
    this.#isOver = this.#echoes.length === 0;
  }

  push(piece: string): string {
    if (this.#isOver) return piece;
    this.#held += piece;
    return this.#echoes.some((echo) => echo.length > this.#held.length && echo.startsWith(this.#held))
      ? ""
      : this.end();
  }

  end(): string {
    const echo = this.#echoes.find((each) => this.#held.startsWith(each)) ?? "";
    const text = this.#held.slice(echo.length);
    this.#held = "";
    this.#isOver = true;
    return text;
  }
}

function echoesOf(before: string): readonly string[] {
  const near = before.slice(-MOST_UNITS);
  const starts = [...near.matchAll(/\n/g)].map(({ index }) => index + 1).slice(-MOST_LINES);
  const tails = starts.map((start) => near.slice(start));
  const line = lastLine(before);
  const all = [before, ...tails.flatMap((tail) => [tail, tail.trimStart()])].filter(tells);
  if (line !== "" && line.trim() === "") all.push(line);
  return [...new Set(all)].sort((a, b) => b.length - a.length);
}

function tells(text: string): boolean {
  let words = 0;
  for (const character of text) if (isWord(character)) words += 1;
  return words >= TELLING;
}
