import type { Pieces } from "../file/pieces.ts";

/** Most tokens taken back. A cut word seldom comes to more, and each may cost a step. */
const MOST_TOKENS = 4;

/**
 * How many of the last tokens of a text to take back because some token begins with their text and goes on: the text may
 * have been cut inside that token, and a model seldom continues a token that should not have been one.
 *
 * @param tokens of the text that is continued.
 * @param bytes of that text; nothing before it is taken back.
 */
export function tokensToHeal(tokens: readonly number[], bytes: number, pieces: Pieces): number {
  let tail = "";
  let heal = 0;
  for (let count = 1; count <= Math.min(MOST_TOKENS, tokens.length); count += 1) {
    const piece = pieces.piece(tokens[tokens.length - count] ?? -1);
    tail = piece + tail;
    if (piece === "" || tail.length > bytes) break;
    if (startsCharacter(tail) && pieces.hasLonger(tail)) heal = count;
  }
  return heal;
}

/** Not in the middle of a UTF-8 sequence. */
function startsCharacter(bytes: string): boolean {
  return (bytes.charCodeAt(0) & 0xc0) !== 0x80;
}

/** The text that the first tokens of an answer must spell before anything new may come. */
export class Healing {
  readonly #pieces: Pieces;
  /** Whether tokens can spell the last `bytes` bytes of the text. */
  readonly #spellable = new Map<number, boolean>();
  #rest: string;

  /** @param tail tokens taken back. */
  constructor(tail: readonly number[], pieces: Pieces) {
    this.#pieces = pieces;
    this.#rest = tail.map((id) => pieces.piece(id)).join("");
  }

  /** Bytes still to be spelt. */
  get bytes(): number {
    return this.#rest.length;
  }

  get done(): boolean {
    return this.#rest === "";
  }

  /** Tokens that may come next, at least one; only before it is done. */
  candidates(): readonly number[] {
    return this.#agreeing(this.#rest);
  }

  /**
   * Those of them to draw from. One that spells only a part comes when it is the likeliest of all, and never by chance: what
   * is left would have to follow, however unlikely it is behind that part.
   *
   * @param logits by vocabulary id.
   * @param candidates at least one.
   */
  likely(logits: Float32Array, candidates: readonly number[]): readonly number[] {
    const best = candidates.reduce((one, other) => ((logits[other] ?? 0) > (logits[one] ?? 0) ? other : one));
    const isWhole = (id: number): boolean => this.#pieces.piece(id).length >= this.#rest.length;
    return isWhole(best) ? candidates.filter(isWhole) : [best];
  }

  /** Tokens that agree with the text and leave nothing that no token spells. Those taken back do, so there is one. */
  #agreeing(rest: string): readonly number[] {
    return this.#pieces.agreeing(rest).filter((id) => this.#isSpellable(rest.slice(this.#pieces.piece(id).length)));
  }

  #isSpellable(rest: string): boolean {
    if (rest === "") return true;
    const known = this.#spellable.get(rest.length);
    if (known !== undefined) return known;
    const found = this.#agreeing(rest).length > 0;
    this.#spellable.set(rest.length, found);
    return found;
  }

  /** Takes the next token. @returns how many of its bytes the caller has written already. */
  accept(id: number): number {
    const covered = Math.min(this.#rest.length, this.#pieces.piece(id).length);
    this.#rest = this.#rest.slice(covered);
    return covered;
  }
}
