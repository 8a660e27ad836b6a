/** The text next to a cursor, where not all of it fits. */

/** Text on both sides of a cursor. */
export interface Sides {
  readonly prefix: string;
  readonly suffix: string;
}

/** What of a text was left out. */
export interface LeftOut {
  /** Whole lines, farthest from the cursor. */
  readonly linesBefore: number;
  readonly linesAfter: number;
  /** Some of a line next to the cursor was left out: it is longer than what fits. */
  readonly isLineCut: boolean;
}

/** Of the room, what the suffix has at least; the rest is the prefix's. The server cuts in the same proportion. */
const SUFFIX_SHARE = 1 / 4;

/**
 * The whole lines next to the cursor that take at most `budget` bytes of UTF-8. What one side does not need, the other
 * one has. Only the line next to the cursor is ever cut inside, where it is longer than its share.
 */
export function aroundCursor({ prefix, suffix }: Sides, budget: number): Sides & { readonly leftOut: LeftOut } {
  const [before, after] = [Buffer.byteLength(prefix), Buffer.byteLength(suffix)];
  const forSuffix = Math.min(after, Math.max(Math.floor(SUFFIX_SHARE * budget), budget - before));
  const first = startOfWhole(prefix, Math.max(0, budget - forSuffix));
  const end = endOfWhole(suffix, forSuffix);
  return {
    prefix: prefix.slice(first.at),
    suffix: suffix.slice(0, end.at),
    leftOut: {
      linesBefore: newlinesIn(prefix.slice(0, first.at)),
      linesAfter: newlinesIn(suffix.slice(end.at)),
      isLineCut: first.isInLine || end.isInLine,
    },
  };
}

interface Cut {
  /** Offset in UTF-16 units. */
  readonly at: number;
  readonly isInLine: boolean;
}

/** Where the last whole lines of at most `budget` bytes begin. */
function startOfWhole(text: string, budget: number): Cut {
  let at = text.length;
  for (let left = budget; at > 0; ) {
    const start = at < 2 ? 0 : text.lastIndexOf("\n", at - 2) + 1; // the line may end with a newline itself
    left -= Buffer.byteLength(text.slice(start, at));
    if (left < 0) {
      if (at < text.length) return { at, isInLine: false };
      return { at: start + characterStart(text.slice(start), budget), isInLine: true };
    }
    at = start;
  }
  return { at, isInLine: false };
}

/** Where the first whole lines of at most `budget` bytes end. */
function endOfWhole(text: string, budget: number): Cut {
  let at = 0;
  for (let left = budget; at < text.length; ) {
    const newline = text.indexOf("\n", at);
    const end = newline < 0 ? text.length : newline + 1;
    left -= Buffer.byteLength(text.slice(at, end));
    if (left < 0) {
      if (at > 0) return { at, isInLine: false };
      return { at: characterEnd(text.slice(0, end), budget), isInLine: true };
    }
    at = end;
  }
  return { at, isInLine: false };
}

/** Offset of the longest end of `line` that takes at most `budget` bytes and begins with a whole character. */
function characterStart(line: string, budget: number): number {
  const bytes = Buffer.from(line);
  let at = Math.max(0, bytes.length - budget);
  while (at < bytes.length && isInside(bytes, at)) at += 1;
  return bytes.subarray(0, at).toString().length;
}

/** The same for the longest beginning. */
function characterEnd(line: string, budget: number): number {
  const bytes = Buffer.from(line);
  let at = Math.min(bytes.length, budget);
  while (at > 0 && isInside(bytes, at)) at -= 1;
  return bytes.subarray(0, at).toString().length;
}

/** Continuation bytes of UTF-8 are 0b10xxxxxx. */
function isInside(bytes: Uint8Array, at: number): boolean {
  return ((bytes[at] ?? 0) & 0xc0) === 0x80;
}

function newlinesIn(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count += 1;
  return count;
}
