import { LRUCache } from "lru-cache";
import { Automaton, type State } from "../../../continuation/gbnf/automaton.ts";
import { Cursor } from "../../../continuation/gbnf/cursor.ts";
import { GrammarError } from "../../../continuation/gbnf/expression.ts";
import { parseGrammar } from "../../../continuation/gbnf/parse.ts";
import { programOf } from "../../../continuation/gbnf/program.ts";
import { TooMuchWork, Work } from "../../../continuation/gbnf/stacks.ts";
import { ServiceError } from "../../../errors.ts";
import type { Pieces } from "../file/pieces.ts";
import type { TokenFilter } from "./sampler.ts";

/** Bounds on the work of finding states, in units of about 20 ns: for one token, and for the prefix of an answer. */
const STEP_WORK = 300_000;
const START_WORK = 1_000_000;

/** Grammars that are kept; each may hold some 20 MB of what answers found out about it. */
const MAX_GRAMMARS = 8;

/** Most states whose allowed tokens are kept, 19 KB each with 150 000 tokens. */
const MAX_MASKS = 32;

/** By vocabulary and source: choices, and requests that come again and again, read a grammar once. */
const read = new WeakMap<Pieces, LRUCache<string, CompiledGrammar>>();

/**
 * A grammar at its beginning. Throws `invalid_parameter` when the source is none.
 *
 * @param ends ids that end a text; other control tokens never match.
 */
export function openGrammar(source: string, pieces: Pieces, ends: readonly number[]): Grammar {
  const known = read.get(pieces) ?? new LRUCache<string, CompiledGrammar>({ max: MAX_GRAMMARS });
  read.set(pieces, known);
  const compiled = known.get(source) ?? new CompiledGrammar(source);
  known.set(source, compiled);
  return new Grammar(compiled, pieces, ends);
}

/** A grammar that has been read, for all answers that are held to it. What they find out about it they share. */
export class CompiledGrammar {
  readonly automaton: Automaton;
  /** By state: a bit for each token, set when it may come. */
  readonly masks = new LRUCache<State, Uint32Array>({ max: MAX_MASKS });

  /** Throws `invalid_parameter` saying what is wrong with the source, and where. */
  constructor(source: string) {
    try {
      this.automaton = new Automaton(programOf(parseGrammar(source)));
    } catch (error) {
      if (!(error instanceof GrammarError)) throw error;
      throw new ServiceError("invalid_parameter", `Invalid grammar: ${error.message}`, { param: "grammar" });
    }
  }
}

/**
 * Where one answer stands in its grammar. Tokens are taken for their bytes; one that ends the text may come where the text
 * may end, and other tokens without text never.
 *
 * All that it does is bounded: what would take too long throws `unsupported_input`.
 */
export class Grammar implements Omit<TokenFilter, "candidates"> {
  readonly #grammar: CompiledGrammar;
  readonly #pieces: Pieces;
  readonly #ends: ReadonlySet<number>;
  readonly #work = new Work(START_WORK);
  readonly #cursor: Cursor;

  /** @param ends ids that end a text. */
  constructor(grammar: CompiledGrammar, pieces: Pieces, ends: readonly number[]) {
    this.#grammar = grammar;
    this.#pieces = pieces;
    this.#ends = new Set(ends);
    this.#cursor = new Cursor(grammar.automaton, this.#work);
  }

  allows(id: number): boolean {
    return this.filter([id]).length === 1;
  }

  /** Those of the tokens that may come next, in the order given. */
  filter(ids: readonly number[]): number[] {
    return this.#step(STEP_WORK, () => ids.filter((id) => this.#goesOn(id)));
  }

  /** Gives all other tokens the logit -Infinity. False: there is no other. @param logits by vocabulary id. */
  keepAllowed(logits: Float32Array): boolean {
    const mask = this.#step(STEP_WORK, () => this.#mask());
    let isAny = false;
    for (let id = 0; id < logits.length; id += 1) {
      const isAllowed = (((mask[id >> 5] ?? 0) >>> (id & 31)) & 1) === 1;
      if (!isAllowed) logits[id] = Number.NEGATIVE_INFINITY;
      isAny ||= isAllowed;
    }
    return isAny;
  }

  /** Takes a token that it allows; a resumed answer takes many in a row, and none costs more than it did at first. */
  accept(id: number): void {
    this.#step(STEP_WORK, () => {
      const bytes = this.#pieces.bytes(id);
      const isTaken = this.#ends.has(id) ? this.#cursor.mayEnd : bytes.length > 0 && this.#take(bytes);
      if (!isTaken) throw new RangeError(`the grammar does not allow token ${id}`);
    });
  }

  /** Takes the beginning of a text. False: no text begins so, and the grammar must not be used. */
  write(bytes: Uint8Array): boolean {
    return this.#step(undefined, () => this.#take(bytes));
  }

  /** @param work to allow for it; undefined: what is left. */
  #step<T>(work: number | undefined, act: () => T): T {
    if (work !== undefined) this.#work.renew(work);
    const cursor = this.#cursor;
    const kept = this.#grammar.automaton.kept(cursor.state);
    if (kept !== cursor.state) this.#grammar.masks.clear(); // they would hold the states that were forgotten
    cursor.state = kept;
    try {
      return act();
    } catch (error) {
      if (!(error instanceof TooMuchWork)) throw error;
      const rule = this.#grammar.automaton.busiestRule(cursor.state);
      const message = `The text can be read in too many ways by the rule "${rule}" of the grammar; let its alternatives begin differently, and put optional parts into each other: (a (b c?)?)? in place of a? b? c?`;
      throw new ServiceError("unsupported_input", message, { param: "grammar" });
    }
  }

  #take(bytes: Uint8Array): boolean {
    return bytes.every((byte) => this.#cursor.take(byte));
  }

  /** Tries a token, and stays where it is. */
  #goesOn(id: number): boolean {
    const cursor = this.#cursor;
    if (this.#ends.has(id)) return cursor.mayEnd;
    const { state, partial } = cursor;
    const bytes = this.#pieces.bytes(id);
    const isTaken = bytes.length > 0 && this.#take(bytes);
    cursor.state = state;
    cursor.partial = partial;
    return isTaken;
  }

  #mask(): Uint32Array {
    const { state, partial } = this.#cursor;
    const { masks } = this.#grammar;
    const mask = (partial === 0 ? masks.get(state) : undefined) ?? this.#textMask();
    if (partial === 0) masks.set(state, mask);
    const isEnd = this.#cursor.mayEnd;
    for (const id of this.#ends) {
      const bit = 1 << (id & 31);
      mask[id >> 5] = isEnd ? (mask[id >> 5] ?? 0) | bit : (mask[id >> 5] ?? 0) & ~bit;
    }
    return mask;
  }

  /** Walks the vocabulary in order: what several tokens begin with is read once. */
  #textMask(): Uint32Array {
    const { ids, shared, bytes, starts } = this.#pieces.sorted();
    const cursor = this.#cursor;
    const mask = new Uint32Array((starts.length + 31) >> 5);
    /** By number of bytes of the token: the state behind them. */
    const states = [cursor.state];
    const partials = [cursor.partial];
    let taken = 0;
    for (let index = 0; index < ids.length; index += 1) {
      const known = shared[index] as number; // within bounds
      // The byte that was refused is one of those that this token begins with.
      if (known > taken) continue;
      const id = ids[index] as number; // within bounds
      const start = starts[id] as number; // a token
      const length = (starts[id + 1] as number) - start; // a token
      cursor.state = states[known] as State; // behind bytes that were taken
      cursor.partial = partials[known] as number;
      for (taken = known; taken < length && cursor.take(bytes[start + taken] as number); ) {
        taken += 1;
        states[taken] = cursor.state;
        partials[taken] = cursor.partial;
      }
      if (taken === length) mask[id >> 5] = (mask[id >> 5] as number) | (1 << (id & 31));
    }
    cursor.state = states[0] as State; // where it began
    cursor.partial = partials[0] as number;
    return mask;
  }
}
