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
  /** Most tokens that it was asked for. Absent: no bound. */
  readonly maxTokens?: number;
  /** It came to that bound, and all of it up to there is known. */
  readonly isAtBound: boolean;
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

/**
 * It ended because the caller wanted no more, so there is more to say. An engine that does not tell its tokens may send
 * several with each piece of text, so there a limit of its own looks the same.
 */
export function isOwnBound(reason: string | null, pieces: readonly Piece[], maxTokens: number | undefined): boolean {
  if (reason !== "length" || maxTokens === undefined) return reason === null;
  return countOf(pieces) >= maxTokens || tokensOf(pieces) === undefined;
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
export function restOf(answer: Answer, typedUnits: number, maxTokens: number | undefined): Rest | undefined {
  const { pieces, end } = answer;
  if (typedUnits === 0 && answer.isAtBound && maxTokens === answer.maxTokens) {
    const text = textOf(pieces);
    return text === "" ? undefined : { typedTokens: 0, text, pieces, end: LENGTH };
  }
  if (tokensOf(pieces) === undefined && mostOf(maxTokens) < mostOf(answer.maxTokens)) return undefined;
  const { count, units } = typedPieces(pieces, typedUnits);
  const left = pieces.slice(count);
  const typedTokens = countOf(pieces.slice(0, count));
  const shown = withinTokens(left, mostOf(maxTokens));
  if (shown === undefined) return undefined;
  const text = textOf(shown).slice(typedUnits - units);
  if (text === "" || isLowSurrogate(text.charCodeAt(0))) return undefined;
  const rest = { typedTokens, text, pieces: shown };
  if (maxTokens === undefined || countOf(shown) < maxTokens) return { ...rest, ...(end !== undefined && { end }) };
  // Whether the stop or the bound would end it depends on what stopped it, which nobody has told.
  if (end?.reason === "stop" && shown.length === left.length) return undefined;
  return { ...rest, end: LENGTH };
}

/** How many pieces have been typed as a whole, and their length. */
function typedPieces(pieces: readonly Piece[], typedUnits: number): { readonly count: number; readonly units: number } {
  // At the very place nothing has been typed, and what shows nothing, such as a thought, is part of the answer.
  if (typedUnits === 0) return { count: 0, units: 0 };
  let units = 0;
  let count = 0;
  for (const { text } of pieces) {
    if (units + text.length > typedUnits) break;
    units += text.length;
    count += 1;
  }
  return { count, units };
}

const LENGTH: FinishPart = { type: "finish", choice: 0, reason: "length" };

function mostOf(maxTokens: number | undefined): number {
  return maxTokens ?? Number.POSITIVE_INFINITY;
}

/** All of them, or the first whose tokens are so many, with text of theirs that came late; undefined if none add up to it. */
function withinTokens(pieces: readonly Piece[], most: number): readonly Piece[] | undefined {
  let count = 0;
  for (const [index, { tokenCount }] of pieces.entries()) {
    if (count === most && tokenCount > 0) return pieces.slice(0, index);
    count += tokenCount;
    if (count > most) return undefined;
  }
  return pieces;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
