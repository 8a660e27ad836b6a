import { Alphabet, meets } from "./alphabet.ts";
import { Op, type Program } from "./program.ts";
import { type Reach, reachOf } from "./reach.ts";
import { Builder, type Stacks, StackTable, Work } from "./stacks.ts";

/** Most numbers that the states found so far may hold; then they are forgotten and found again. Some 16 MB. */
const MAX_SIZE = 1 << 20;

/** Where a grammar stands: all the ways in which it can have read the text so far. */
export interface State {
  readonly stacks: Stacks;
  /** By class of character: undefined, not looked at; null, it may not come. */
  readonly edges: (State | null | undefined)[];
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
    const { sets, next, below } = this.#reach(state, work);
    work.spend(1 + sets.length);
    const example = this.#alphabet.exampleOf(kind);
    const builder = new Builder();
    for (const [index, set] of sets.entries()) {
      if (!meets(this.#program.sets[set] as Int32Array, example, example)) continue; // a set
      const place = next[index] as number; // as many as sets
      const stacks = below[index] as Stacks; // as many as sets
      if (this.#program.ops[place] === Op.end) builder.addAll(stacks);
      else builder.add(place, stacks);
    }
    const to = builder.isEmpty ? null : this.#stateOf(builder.build(this.#table, work));
    state.edges[kind] = to;
    this.#size += 1;
    return to;
  }

  /** One of the characters from `low` to `high` may come. */
  takesAny(state: State, low: number, high: number, work: Work): boolean {
    const { sets } = this.#reach(state, work);
    work.spend(1 + sets.length);
    return sets.some((set) => meets(this.#program.sets[set] as Int32Array, low, high)); // a set
  }

  mayEnd(state: State, work: Work): boolean {
    return this.#reach(state, work).mayEnd;
  }

  /** The rule that has most of the ways to read on, for a message. */
  busiestRule(state: State): string {
    const counts = new Map<number, number>();
    for (const place of [...state.stacks.places, ...(state.reach?.next ?? [])]) {
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
    this.#size += 3 * reach.sets.length;
    return reach;
  }

  #stateOf(stacks: Stacks): State {
    const known = this.#states.get(stacks);
    if (known !== undefined) return known;
    const state: State = { stacks, edges: [], reach: undefined, generation: this.#generation };
    this.#states.set(stacks, state);
    this.#size += 8;
    return state;
  }
}
