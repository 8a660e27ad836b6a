/**
 * Bookkeeping of a file that arrives in pieces: which bytes are there, which are missing.
 *
 * A set of bytes is a list of ranges, sorted, apart from each other and none of them empty, so equal sets are equal lists.
 */

/** Bytes `start`, `start + 1`, … up to but not including `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** The set with one more range; neighbours grow together. */
export function withRange(ranges: readonly ByteRange[], { start, end }: ByteRange): readonly ByteRange[] {
  if (start >= end) return ranges;
  const touching = ranges.filter((range) => range.end >= start && range.start <= end);
  const merged = {
    start: Math.min(start, ...touching.map((range) => range.start)),
    end: Math.max(end, ...touching.map((range) => range.end)),
  };
  return [...ranges.filter((range) => range.end < start), merged, ...ranges.filter((range) => range.start > end)];
}

/** What the first `sizeBytes` bytes lack. */
export function missingRanges(ranges: readonly ByteRange[], sizeBytes: number): readonly ByteRange[] {
  const gaps: ByteRange[] = [];
  let at = 0;
  for (const { start, end } of ranges) {
    if (start > at) gaps.push({ start: at, end: Math.min(start, sizeBytes) });
    at = Math.max(at, end);
  }
  if (at < sizeBytes) gaps.push({ start: at, end: sizeBytes });
  return gaps.filter(({ start, end }) => start < end);
}

export function bytesIn(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0);
}

/** The same bytes, no piece longer than `pieceBytes`. */
export function cutIntoPieces(ranges: readonly ByteRange[], pieceBytes: number): readonly ByteRange[] {
  return ranges.flatMap(({ start, end }) =>
    Array.from({ length: Math.ceil((end - start) / pieceBytes) }, (_, index) => ({
      start: start + index * pieceBytes,
      end: Math.min(end, start + (index + 1) * pieceBytes),
    })),
  );
}
