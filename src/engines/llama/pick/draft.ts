import type { EncodedPrompt } from "../../../continuation/encode-prompt.ts";
import { Acceptance, type Footing } from "./acceptance.ts";
import { agreement, MOST_MATCH, type Place, Repeats } from "./repeats.ts";

/** Behind a token that was not the expected one, the text is looked for within as many tokens. */
const EDIT_TOKENS = 8;
/** A passage that agreed for as long is likely to go on behind an edit. */
const STEADY_MATCH = 6;
/** Unexpected tokens after which a passage is given up. */
const MOST_MISSES = 4;

/** What a text is continued with, before it is known: the tokens taken back from it, then guesses. */
export class Drafter {
  readonly #promptLength: number;
  readonly #tail: readonly number[];
  readonly #lead: readonly number[];
  readonly #isEnd: (id: number) => boolean;
  readonly #guesses: boolean;
  #passage: Passage | undefined;
  #alone = false;

  /** @param guesses false: only the tokens taken back. */
  constructor({ tokens, tail, lead }: EncodedPrompt, isEnd: (id: number) => boolean, guesses: boolean) {
    this.#promptLength = tokens.length;
    this.#tail = tail;
    this.#lead = lead ?? tokens;
    this.#isEnd = isEnd;
    this.#guesses = guesses;
  }

  /**
   * @param tokens prompt and answer so far; the same array, grown, every time.
   * @param most tokens wanted.
   */
  propose(tokens: readonly number[], most: number): Draft {
    const answered = tokens.length - this.#promptLength;
    const back = this.#tail.slice(answered);
    if (back.length > 0 && tokens.slice(this.#promptLength).every((id, index) => id === this.#tail[index])) {
      return { ...NO_DRAFT, tokens: back.slice(0, Math.max(0, most)) };
    }
    if (!this.#guesses || answered === 0) return NO_DRAFT;
    this.#passage ??= new Passage(tokens, this.#promptLength, this.#lead, this.#isEnd);
    this.#passage.follow();
    return this.#alone ? NO_DRAFT : { ...this.#passage.guess(most), isGuess: true };
  }

  /** @param doubted a row was too close to call: the next one goes without company. */
  observe(doubted: boolean): void {
    this.#alone = doubted;
  }
}

export interface Draft {
  readonly tokens: readonly number[];
  /** For each guess how likely it is if those before it come true. */
  readonly odds: readonly number[];
  /** Looked up; otherwise taken back from the prompt, and no guess of ours. */
  readonly isGuess: boolean;
}

export const NO_DRAFT: Draft = { tokens: [], odds: [], isGuess: false };

/** The first tokens of a draft. */
export function shortened(draft: Draft, length: number): Draft {
  if (length >= draft.tokens.length) return draft;
  return { ...draft, tokens: draft.tokens.slice(0, length), odds: draft.odds.slice(0, length) };
}

export interface Drafted {
  readonly proposed: number;
  readonly accepted: number;
}

/**
 * The passage of prompt and answer that the answer seems to repeat. Every token of the answer is compared with the one
 * expected, drafted or not, so that what guesses are worth is known without making any.
 */
class Passage {
  readonly #tokens: readonly number[];
  /** The text that is continued; in a fill-in-the-middle prompt it does not stand at the end of `tokens`. */
  readonly #recent: number[];
  readonly #isEnd: (id: number) => boolean;
  readonly #repeats: Repeats;
  readonly #acceptance = new Acceptance();
  #followed: number;
  /** Index of the token that is expected; -1: none is. */
  #next = -1;
  /** Tokens that agree in front of it. */
  #match = 0;
  #isResumed = false;
  /** Where the expected text was left last, and how many tokens since then were unexpected; `MOST_MISSES`: the next is the last. */
  #left = -1;
  #misses = MOST_MISSES;

  constructor(
    tokens: readonly number[],
    promptLength: number,
    lead: readonly number[],
    isEnd: (id: number) => boolean,
  ) {
    this.#tokens = tokens;
    this.#recent = lead.slice(-MOST_MATCH);
    this.#isEnd = isEnd;
    this.#repeats = new Repeats(tokens, isEnd);
    this.#followed = promptLength;
  }

  /** Takes the tokens that have come. */
  follow(): void {
    for (; this.#followed < this.#tokens.length; this.#followed += 1) this.#take(this.#tokens[this.#followed] ?? -1);
    if (this.#match === MOST_MATCH) return;
    const place = this.#repeats.find(this.#recent);
    if (place === undefined || (this.#next >= 0 && !this.#isBetter(place))) return;
    this.#next = place.next;
    this.#match = place.match;
    this.#isResumed = false;
    this.#misses = MOST_MISSES;
  }

  /** What follows in the passage, up to `most` tokens; where it runs into the end of the text, the guess goes on with itself. */
  guess(most: number): Pick<Draft, "tokens" | "odds"> {
    const tokens: number[] = [];
    const odds: number[] = [];
    for (let offset = 0; this.#next >= 0 && offset < most; offset += 1) {
      const at = this.#next + offset;
      const id = this.#tokens[at] ?? tokens[at - this.#tokens.length] ?? -1;
      if (id < 0 || this.#isEnd(id)) break;
      odds.push(this.#acceptance.odds(this.#footing(id, tokens)));
      tokens.push(id);
    }
    return { tokens, odds };
  }

  #isBetter({ match }: Place): boolean {
    if (match <= this.#match) return false;
    if (!this.#isResumed) return true;
    const found = { match, isResumed: false, isContested: false };
    return this.#acceptance.odds(found) > this.#acceptance.odds({ ...this.#footing(-1, []), isContested: false });
  }

  /** Of the guess behind so many others. */
  #footing(id: number, before: readonly number[]): Footing {
    const match = Math.min(MOST_MATCH, this.#match + before.length);
    const first = before.at(-2) ?? this.#recent.at(before.length - 2) ?? -1;
    const second = before.at(-1) ?? this.#recent.at(-1) ?? -1;
    return { match, isResumed: this.#isResumed, isContested: this.#repeats.isContested(first, second, id) };
  }

  #take(id: number): void {
    const expected = this.#tokens[this.#next];
    if (expected !== undefined) this.#acceptance.observe(this.#footing(expected, []), expected === id);
    this.#recent.push(id);
    if (this.#recent.length > 4 * MOST_MATCH) this.#recent.splice(0, this.#recent.length - MOST_MATCH);
    if (expected === undefined) return;
    if (expected === id) {
      this.#next += 1;
      this.#match = Math.min(MOST_MATCH, this.#match + 1);
      if (this.#match === MOST_MATCH) this.#isResumed = false;
    } else this.#resume(id);
  }

  /** Another token than expected: it stands for the expected one, or in front of it, or some were left out. */
  #resume(id: number): void {
    if (this.#match >= STEADY_MATCH) {
      this.#left = this.#next;
      this.#misses = 0;
    }
    this.#misses += 1;
    if (this.#misses > MOST_MISSES) {
      this.#next = -1;
      this.#match = 0;
      return;
    }
    const end = Math.min(this.#left + EDIT_TOKENS, this.#followed);
    const found = this.#tokens.slice(this.#left, end).indexOf(id);
    this.#next = found < 0 ? this.#next + 1 : this.#left + found + 1;
    this.#match = agreement(this.#tokens, this.#next, this.#recent);
    this.#isResumed = true;
  }
}
