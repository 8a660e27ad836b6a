/**
 * The known word a person most likely meant, for "did you mean".
 *
 * @returns undefined when nothing is closer than a third of the word's length (at least one edit).
 */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  const limit = Math.max(1, Math.floor(word.length / 3));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of known) {
    const distance = editDistance(spelling(word), spelling(candidate));
    if (distance >= bestDistance) continue;
    best = candidate;
    bestDistance = distance;
  }
  return best;
}

/** `bodyBytes`, `body-bytes` and `body_bytes` are one word to a person. */
function spelling(word: string): string {
  return word.toLowerCase().replaceAll(/[-_. ]/g, "");
}

/** Optimal string alignment: insertions, deletions, replacements and swaps of neighbours count one each. */
function editDistance(a: string, b: string): number {
  const width = b.length + 1;
  /** distance[i * width + j]: between the first i units of `a` and the first j of `b`. */
  const distance = new Array<number>((a.length + 1) * width).fill(0);
  const at = (i: number, j: number): number => distance[i * width + j] ?? 0;
  for (let i = 0; i <= a.length; i++) distance[i * width] = i;
  for (let j = 0; j <= b.length; j++) distance[j] = j;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const replaced = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, replaced);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) least = Math.min(least, at(i - 2, j - 2) + 1);
      distance[i * width + j] = least;
    }
  }
  return at(a.length, b.length);
}
