import { type DeltaPart, type FinishPart, type StartPart, tokenCount } from "../continuation/output.ts";

/** One step of an answer: text that came at once, with the tokens that it made visible. */
export interface Piece {
  readonly text: string;
  readonly tokenCount: number;
  /** Absent: the engine does not tell them. */
  readonly tokens?: readonly number[];
}

/** An answer as far as it is known. */
export interface Answer {
  readonly start: StartPart;
  readonly pieces: readonly Piece[];
  /** Of the prompt, as the engine counted them; absent: it has not told. */
  readonly promptTokens?: number;
  /** Absent: it goes on, by words that nobody has asked for yet. */
  readonly end?: FinishPart;
}

export function pieceOf(delta: DeltaPart): Piece {
  const { text, tokens } = delta;
  return { text, tokenCount: tokenCount(delta), ...(tokens !== undefined && { tokens }) };
}

export function textOf(pieces: readonly Piece[]): string {
  return pieces.map(({ text }) => text).join("");
}

export function countOf(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, { tokenCount }) => sum + tokenCount, 0);
}

/** Undefined where one of them is not known. */
export function tokensOf(pieces: readonly Piece[]): readonly number[] | undefined {
  const tokens: number[] = [];
  for (const piece of pieces) {
    if (piece.tokens === undefined) return undefined;
    tokens.push(...piece.tokens);
  }
  return tokens;
}

/** It ended because the caller wanted no more, so there is more to say. */
export function isOwnBound(reason: string | null, tokens: number, maxTokens: number | undefined): boolean {
  return reason === null || (reason === "length" && maxTokens !== undefined && tokens >= maxTokens);
}

/** What is left of an answer for somebody who has typed its beginning. */
export interface Rest {
  /** Tokens of which all text has been typed. */
  readonly typedTokens: number;
  /** Not empty. */
  readonly text: string;
  /** The pieces of the text; of the first, a part may have been typed. */
  readonly pieces: readonly Piece[];
  /** How the answer ends behind the text; absent: it goes on. */
  readonly end?: FinishPart;
}

/**
 * What an answer says behind its first `typedUnits` UTF-16 units, within `maxTokens`. A token that was typed in part counts
 * as one of the rest: it is the one that healing would finish. Undefined: nothing is left, a character would be cut, or nobody
 * knows how the answer would end at that bound.
 */
export function restOf({ pieces, end }: Answer, typedUnits: number, maxTokens: number | undefined): Rest | undefined {
  let units = 0;
  let first = 0;
  for (const { text } of pieces) {
    if (units + text.length > typedUnits) break;
    units += text.length;
    first += 1;
  }
  const left = pieces.slice(first);
  const typedTokens = countOf(pieces.slice(0, first));
  const shown = withinTokens(left, maxTokens ?? Number.POSITIVE_INFINITY);
  if (shown === undefined) return undefined;
  const text = textOf(shown).slice(typedUnits - units);
  if (text === "" || isLowSurrogate(text.charCodeAt(0))) return undefined;
  const rest = { typedTokens, text, pieces: shown };
  if (maxTokens === undefined || countOf(shown) < maxTokens) return { ...rest, ...(end !== undefined && { end }) };
  // Whether the stop or the bound would end it depends on what stopped it, which nobody has told.
  if (end?.reason === "stop" && shown.length === left.length) return undefined;
  return { ...rest, end: { type: "finish", choice: 0, reason: "length" } };
}

/** All of them, or the first whose tokens are so many; undefined if none add up to it. */
function withinTokens(pieces: readonly Piece[], most: number): readonly Piece[] | undefined {
  let count = 0;
  for (const [index, { tokenCount }] of pieces.entries()) {
    if (count === most) return pieces.slice(0, index);
    count += tokenCount;
    if (count > most) return undefined;
  }
  return pieces;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
