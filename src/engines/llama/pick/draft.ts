import type { EncodedPrompt } from "../../../continuation/encode-prompt.ts";

/** Tokens that must repeat before what followed them the last time is worth a try. */
const LEAST_MATCH = 2;
/** A longer agreement than this says nothing more. */
const MOST_MATCH = 12;
/** Most tokens guessed at once. */
const MOST_DRAFTS = 8;

/**
 * Prompt lookup: what followed the longest earlier occurrence of the last tokens, the latest one among equals.
 *
 * @param tokens prompt and answer so far, searched for the occurrence.
 * @param recent the last tokens of the text that is continued; in a fill-in-the-middle prompt not the last of `tokens`.
 * @param most tokens to guess.
 * @param isEnd tokens that are no text; a guess stops before one.
 */
export function lookUp(
  tokens: readonly number[],
  recent: readonly number[],
  most: number,
  isEnd: (id: number) => boolean,
): number[] {
  const last = recent.at(-1);
  let best = LEAST_MATCH - 1;
  let next = -1;
  for (let index = tokens.length - 2; index >= 0 && best < MOST_MATCH; index -= 1) {
    if (tokens[index] !== last || isEnd(tokens[index + 1] ?? -1)) continue;
    const length = agreement(tokens, index, recent);
    if (length <= best) continue;
    best = length;
    next = index + 1;
  }
  const drafts: number[] = [];
  // Where the occurrence runs into the end of the text, the text repeats itself: the guess goes on with the guess.
  for (let offset = 0; next >= 0 && offset < most; offset += 1) {
    const id = tokens[next + offset] ?? drafts[next + offset - tokens.length] ?? -1;
    if (isEnd(id)) break;
    drafts.push(id);
  }
  return drafts;
}

/** How many tokens up to `end` are those at the end of `recent`. */
function agreement(tokens: readonly number[], end: number, recent: readonly number[]): number {
  const most = Math.min(MOST_MATCH, end + 1, recent.length);
  let length = 1;
  while (length < most && tokens[end - length] === recent[recent.length - 1 - length]) length += 1;
  return length;
}

/** How many tokens to guess, by how the last guesses went: rows that are thrown away cost time too. */
class DraftLength {
  #most = MOST_DRAFTS;

  get most(): number {
    return this.#most;
  }

  observe({ proposed, accepted }: Drafted): void {
    if (proposed === 0) return;
    this.#most = accepted === proposed ? Math.min(MOST_DRAFTS, 2 * this.#most) : Math.max(1, accepted + 1);
  }
}

/** What a text is continued with, before it is known: the tokens taken back from it, then guesses. */
export class Drafter {
  readonly #promptLength: number;
  readonly #tail: readonly number[];
  readonly #lead: readonly number[];
  readonly #isEnd: (id: number) => boolean;
  readonly #guesses: boolean;
  readonly #length = new DraftLength();
  #alone = false;

  /** @param guesses false: only the tokens taken back. */
  constructor({ tokens, tail, lead }: EncodedPrompt, isEnd: (id: number) => boolean, guesses: boolean) {
    this.#promptLength = tokens.length;
    this.#tail = tail;
    this.#lead = lead ?? tokens.slice(-MOST_MATCH);
    this.#isEnd = isEnd;
    this.#guesses = guesses;
  }

  /**
   * @param tokens prompt and answer so far.
   * @param most tokens wanted.
   */
  propose(tokens: readonly number[], most: number): Draft {
    const answered = tokens.length - this.#promptLength;
    const back = this.#tail.slice(answered);
    if (back.length > 0 && tokens.slice(this.#promptLength).every((id, index) => id === this.#tail[index])) {
      return { tokens: back.slice(0, Math.max(0, most)), isGuess: false };
    }
    if (!this.#guesses || this.#alone || answered === 0) return NO_DRAFT;
    const last = tokens.slice(-Math.min(MOST_MATCH, answered));
    const recent = [...this.#lead, ...last].slice(-MOST_MATCH);
    return { tokens: lookUp(tokens, recent, Math.min(most, this.#length.most), this.#isEnd), isGuess: true };
  }

  /** @param doubted a row was too close to call: the next one goes without company. */
  observe(drafted: Drafted, doubted: boolean): void {
    this.#alone = doubted;
    this.#length.observe(drafted);
  }
}

export interface Draft {
  readonly tokens: readonly number[];
  /** Looked up; otherwise taken back from the prompt, and no guess of ours. */
  readonly isGuess: boolean;
}

export const NO_DRAFT: Draft = { tokens: [], isGuess: false };

export interface Drafted {
  readonly proposed: number;
  readonly accepted: number;
}
