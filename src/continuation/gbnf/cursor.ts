import type { Automaton, State } from "./automaton.ts";
import type { Work } from "./stacks.ts";

/**
 * A character of which some bytes have come, in one number: its bits so far, above them how many bytes are missing, and
 * above those how many it has in all. 0: none has begun.
 */
const MISSING_SHIFT = 24;
const LENGTH_SHIFT = 27;
const VALUE_MASK = (1 << MISSING_SHIFT) - 1;

/** The lowest code point that takes so many bytes. */
const LOWEST = [0, 0, 0x80, 0x800, 0x10000];

/** Reads UTF-8 byte by byte: where a grammar stands behind them, even in the middle of a character. */
export class Cursor {
  readonly #automaton: Automaton;
  readonly #work: Work;
  state: State;
  /** The character under way; as opaque as a state. */
  partial = 0;

  /** @param work counts what each call needs; beyond it they throw `TooMuchWork`. */
  constructor(automaton: Automaton, work: Work) {
    this.#automaton = automaton;
    this.#work = work;
    this.state = automaton.start;
  }

  /** The text may end here. */
  get mayEnd(): boolean {
    return this.partial === 0 && this.#automaton.mayEnd(this.state, this.#work);
  }

  /** Takes a byte. False: no text of the grammar goes on with it, and the cursor must not be used before it is set anew. */
  take(byte: number): boolean {
    if (this.partial !== 0) return (byte & 0xc0) === 0x80 && this.#continue(byte & 0x3f);
    if (byte < 0x80) return this.#step(byte);
    const length = byte >= 0xf5 ? 0 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc2 ? 2 : 0;
    return length > 0 && this.#wait(byte & (0x7f >> length), length - 1, length);
  }

  #continue(bits: number): boolean {
    const value = ((this.partial & VALUE_MASK) << 6) | bits;
    const missing = ((this.partial >> MISSING_SHIFT) & 3) - 1;
    const length = this.partial >> LENGTH_SHIFT;
    if (missing > 0) return this.#wait(value, missing, length);
    this.partial = 0;
    return this.#step(value);
  }

  /** @param value the bits so far. */
  #wait(value: number, missing: number, length: number): boolean {
    this.partial = (length << LENGTH_SHIFT) | (missing << MISSING_SHIFT) | value;
    const low = Math.max(value << (6 * missing), LOWEST[length] ?? 0);
    const high = ((value + 1) << (6 * missing)) - 1;
    // A longer spelling than needed leaves no character; halves of surrogate pairs are in no set.
    return low <= high && this.#automaton.takesAny(this.state, low, high, this.#work);
  }

  #step(codePoint: number): boolean {
    const to = this.#automaton.step(this.state, codePoint, this.#work);
    if (to === null) return false;
    this.state = to;
    return true;
  }
}
