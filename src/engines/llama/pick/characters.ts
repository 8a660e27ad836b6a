import type { Pieces } from "../file/pieces.ts";
import { afterByte, afterBytes, CLOSED, INVALID } from "../file/utf8.ts";
import type { TokenFilter } from "./sampler.ts";

/** Tokens at the end of a prompt that may hold a part of its last character. */
const TAIL_TOKENS = 4;

/**
 * Keeps an answer to whole characters: while one is incomplete, only tokens that continue it may come, and no end. Bytes of
 * a character that nothing in the vocabulary completes are never shown.
 */
export class Characters implements TokenFilter {
  readonly #pieces: Pieces;
  #state: number;
  /** The open character is one that the prompt began: the caller has it, so its rest is no part of the answer. */
  #isForeign: boolean;
  #held: readonly number[] = [];

  constructor(prompt: readonly number[], pieces: Pieces) {
    this.#pieces = pieces;
    this.#state = openAtEnd(prompt, pieces);
    this.#isForeign = this.#state !== CLOSED;
  }

  allows(id: number): boolean {
    return this.#pieces.stateAfter(id, this.#binding) !== INVALID;
  }

  filter(ids: ArrayLike<number> & Iterable<number>): number[] {
    const binding = this.#binding;
    return Array.from(ids).filter((id) => this.#pieces.stateAfter(id, binding) !== INVALID);
  }

  keepAllowed(logits: Float32Array): boolean {
    const binding = this.#binding;
    let isAny = false;
    for (let id = 0; id < logits.length; id += 1) {
      const isAllowed = this.#pieces.stateAfter(id, binding) !== INVALID;
      if (!isAllowed) logits[id] = Number.NEGATIVE_INFINITY;
      isAny ||= isAllowed;
    }
    return isAny;
  }

  /** All tokens that may come, if they are few. */
  candidates(): readonly number[] | undefined {
    const binding = this.#binding;
    return binding === CLOSED ? undefined : this.#pieces.continuing(binding);
  }

  /**
   * Takes a token. @returns the bytes of the characters that it completes, without what is no part of the answer.
   *
   * @param skipped bytes of it that the caller has written.
   */
  accept(bytes: Uint8Array, skipped: number): Uint8Array {
    if (afterBytes(this.#state, bytes) === INVALID) this.#giveUp();
    if (afterBytes(this.#state, bytes) === INVALID) return new Uint8Array();
    const held = [...this.#held];
    let complete = 0;
    for (const [index, byte] of bytes.entries()) {
      this.#state = afterByte(this.#state, byte);
      if (index >= skipped && !this.#isForeign) held.push(byte);
      if (this.#state !== CLOSED) continue;
      this.#isForeign = false;
      complete = held.length;
    }
    this.#held = held.slice(complete);
    return Uint8Array.from(held.slice(0, complete));
  }

  /** What the open character asks for; nothing, where no token could continue it. */
  get #binding(): number {
    return this.#pieces.continuing(this.#state).length > 0 ? this.#state : CLOSED;
  }

  #giveUp(): void {
    this.#state = CLOSED;
    this.#isForeign = false;
    this.#held = [];
  }
}

function openAtEnd(prompt: readonly number[], pieces: Pieces): number {
  let bytes = Buffer.alloc(0);
  for (const id of prompt.slice(-TAIL_TOKENS).reverse()) {
    const piece = Buffer.from(pieces.piece(id), "latin1");
    if (piece.length === 0) break; // a control token stands between texts
    bytes = Buffer.concat([piece, bytes]);
  }
  // The last character begins at the last byte that continues none, at most four bytes from the end.
  for (let start = Math.max(0, bytes.length - 4); start < bytes.length; start += 1) {
    const state = afterBytes(CLOSED, bytes.subarray(start));
    if (state !== INVALID) return state;
  }
  return CLOSED;
}
