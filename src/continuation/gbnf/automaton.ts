import { Alphabet, firstFrom, meets } from "./alphabet.ts";
import { Op, type Program } from "./places.ts";
import { type Reach, reachOf } from "./reach.ts";
import { Builder, type Stacks, StackTable, Work } from "./stacks.ts";

/** Most numbers that the states found so far may hold; then they are forgotten and found again. Some 16 MB. */
const MAX_SIZE = 1 << 20;

/** Where a grammar stands: all the ways in which it can have read the text so far. */
export interface State {
  readonly stacks: Stacks;
  /** By class of character: undefined, not looked at; null, it may not come. */
  readonly edges: (State | null | undefined)[];
  /** By block of characters, whether one of them may come. */
  readonly blocks: Map<number, boolean>;
  reach: Reach | undefined;
  /** States of another one are found anew. */
  readonly generation: number;
}

/**
 * The states of a grammar, found while texts are read and kept for the next one. A state does not depend on where it was
 * met, so the second letter of a word costs what a look into a table costs.
 */
export class Automaton {
  readonly #program: Program;
  readonly #alphabet: Alphabet;
  #table = new StackTable();
  #states = new Map<Stacks, State>();
  #size = 0;
  #generation = 0;
  readonly #start: Stacks;

  constructor(program: Program) {
    this.#program = program;
    this.#alphabet = new Alphabet(program.sets);
    const work = new Work(10);
    const nothing = this.#table.intern([], [], true, work);
    this.#start = this.#table.intern([program.entries[program.root] as number], [nothing], false, work); // a rule
  }

  get start(): State {
    return this.#stateOf(this.#start);
  }

  /** The same state among those that are kept. Before each operation on a state from an earlier one. */
  kept(state: State): State {
    if (this.#size + this.#table.size > MAX_SIZE) {
      this.#generation += 1;
      this.#size = 0;
      this.#table = new StackTable();
      this.#states = new Map();
    }
    return state.generation === this.#generation ? state : this.#stateOf(state.stacks);
  }

  /** The state behind a character; null: it may not come. @throws TooMuchWork, as the others do. */
  step(state: State, codePoint: number, work: Work): State | null {
    const kind = this.#alphabet.classOf(codePoint);
    const known = state.edges[kind];
    if (known !== undefined) return known;
    const { wide, narrow } = this.#reach(state, work);
    work.spend(4 + wide.sets.length);
    const example = this.#alphabet.exampleOf(kind);
    const builder = new Builder();
    const add = (place: number, below: Stacks): void => {
      if (this.#program.ops[place] === Op.end) builder.addAll(below);
      else builder.add(place, below);
    };
    for (const [index, set] of wide.sets.entries()) {
      const isTaken = meets(this.#program.sets[set] as Int32Array, example, example); // a set
      if (isTaken) add(wide.next[index] as number, wide.below[index] as Stacks); // as many as sets
    }
    for (let index = firstFrom(narrow.codePoints, example); narrow.codePoints[index] === example; index += 1) {
      add(narrow.next[index] as number, narrow.below[index] as Stacks); // as many as code points
    }
    const to = builder.isEmpty ? null : this.#stateOf(builder.build(this.#table, work));
    state.edges[kind] = to;
    this.#size += 1;
    return to;
  }

  /** One of the characters from `low` to `high` may come: those that one, two or three bytes more can make. */
  takesAny(state: State, low: number, high: number, work: Work): boolean {
    const missing = high - low < 1 << 6 ? 1 : high - low < 1 << 12 ? 2 : 3;
    const known = state.blocks.get((low << 2) | missing);
    if (known !== undefined) return known;
    const { wide, narrow } = this.#reach(state, work);
    work.spend(4 + wide.sets.length);
    const next = narrow.codePoints[firstFrom(narrow.codePoints, low)];
    const isNarrow = next !== undefined && next <= high;
    const isTaken = isNarrow || wide.sets.some((set) => meets(this.#program.sets[set] as Int32Array, low, high)); // a set
    state.blocks.set((low << 2) | missing, isTaken);
    this.#size += 4;
    return isTaken;
  }

  mayEnd(state: State, work: Work): boolean {
    return this.#reach(state, work).mayEnd;
  }

  /** The rule that has most of the ways to read on, for a message. */
  busiestRule(state: State): string {
    const counts = new Map<number, number>();
    for (const place of [
      ...state.stacks.places,
      ...(state.reach?.wide.next ?? []),
      ...(state.reach?.narrow.next ?? []),
    ]) {
      const rule = this.#program.ruleOf[place] as number; // a place
      counts.set(rule, (counts.get(rule) ?? 0) + 1);
    }
    const [busiest] = [...counts].sort(([, a], [, b]) => b - a);
    return this.#program.names[busiest?.[0] ?? this.#program.root] ?? "root";
  }

  #reach(state: State, work: Work): Reach {
    if (state.reach !== undefined) return state.reach;
    const reach = reachOf(this.#program, state.stacks, this.#table, work);
    state.reach = reach;
    this.#size += 8 + 3 * (reach.wide.sets.length + reach.narrow.codePoints.length);
    return reach;
  }

  #stateOf(stacks: Stacks): State {
    const known = this.#states.get(stacks);
    if (known !== undefined) return known;
    const state: State = { stacks, edges: [], blocks: new Map(), reach: undefined, generation: this.#generation };
    this.#states.set(stacks, state);
    this.#size += 8;
    return state;
  }
}
