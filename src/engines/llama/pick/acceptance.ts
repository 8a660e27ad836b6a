/** Where a guess comes from. */
export interface Footing {
  /** Tokens that agree in front of it. */
  readonly match: number;
  /** The same passage agreed before, up to a token that was another one. */
  readonly isResumed: boolean;
  /** The two tokens in front of it were followed by another one, too, elsewhere in the text. */
  readonly isContested: boolean;
}

/**
 * How likely a guess is before any was seen, by how many tokens agree in front of it. Low: to learn from an answer that guesses
 * would have come true costs nothing, a guess that fails does.
 */
const LEVELS = [
  { from: 0, found: 0.3, resumed: 0.4 },
  { from: 1, found: 0.3, resumed: 0.75 },
  { from: 2, found: 0.4, resumed: 0.8 },
  { from: 3, found: 0.5, resumed: 0.85 },
  { from: 4, found: 0.65, resumed: 0.85 },
  { from: 6, found: 0.8, resumed: 0.9 },
  { from: 9, found: 0.9, resumed: 0.9 },
  { from: 16, found: 0.95, resumed: 0.95 },
] as const;

/** A guess that is contested is worth this share of the odds above. */
const CONTESTED = 0.8;
/** As many guesses are what the odds above count for. */
const PRIOR_WEIGHT = 3;
/** What an older guess counts for when there is a newer one. */
const KEEP = 0.96;

/** How often the guesses of one answer come true: the longer the agreement in front of them, the likelier. */
export class Acceptance {
  readonly #seen = Array.from({ length: 4 * LEVELS.length }, (_, index) => {
    const { found, resumed } = LEVELS[index >> 2] ?? LEVELS[0];
    return counted((index & 1 ? resumed : found) * (index & 2 ? CONTESTED : 1));
  });

  observe(footing: Footing, isHit: boolean): void {
    const seen = this.#of(footing);
    seen.hits = KEEP * seen.hits + (isHit ? 1 : 0);
    seen.all = KEEP * seen.all + 1;
  }

  /** Between 0 and 1. */
  odds(footing: Footing): number {
    const { hits, all } = this.#of(footing);
    return hits / all;
  }

  #of({ match, isResumed, isContested }: Footing): Seen {
    const level = LEVELS.findLastIndex(({ from }) => match >= from);
    return this.#seen[4 * level + (isContested ? 2 : 0) + (isResumed ? 1 : 0)] ?? counted(0);
  }
}

interface Seen {
  hits: number;
  all: number;
}

function counted(odds: number): Seen {
  return { hits: odds * PRIOR_WEIGHT, all: PRIOR_WEIGHT };
}
