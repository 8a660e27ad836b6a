/** Sets of characters. */

/** Code points, both ends included. */
export type CodePoints = readonly [low: number, high: number];

export const HIGHEST = 0x10ffff;

/** Halves of surrogate pairs: numbers of code points that no text contains. */
const SURROGATES: CodePoints = [0xd800, 0xdfff];

/** What is not in the ranges, sorted. */
export function complement(ranges: readonly CodePoints[]): readonly CodePoints[] {
  const holes: CodePoints[] = [];
  let next = 0;
  for (const [low, high] of [...ranges].sort(([a], [b]) => a - b)) {
    if (low > next) holes.push([next, low - 1]);
    next = Math.max(next, high + 1);
  }
  if (next <= HIGHEST) holes.push([next, HIGHEST]);
  return holes;
}

/** The characters among these, in order, each once. */
export function characters(ranges: readonly CodePoints[]): readonly CodePoints[] {
  return complement([...complement(ranges), SURROGATES]);
}

export function isCharacter(codePoint: number): boolean {
  return codePoint <= HIGHEST && !(codePoint >= SURROGATES[0] && codePoint <= SURROGATES[1]);
}
