import { Op, type Program } from "./places.ts";
import { Builder, type Stacks, type StackTable, type Work } from "./stacks.ts";

/** Where a character leads: to the place `next[i]` on top of `below[i]`. */
interface Ways {
  readonly next: readonly number[];
  readonly below: readonly Stacks[];
}

/** What can come next where a set of stacks stands. */
export interface Reach {
  /** Ways by sets of characters, in any order. */
  readonly wide: Ways & { readonly sets: readonly number[] };
  /** Ways by one character each, in the order of the characters: words to choose from begin with a thousand of them. */
  readonly narrow: Ways & { readonly codePoints: Int32Array };
  /** The text may end here. */
  readonly mayEnd: boolean;
}

/** From so many ways on, those by one character are looked up instead of tried. */
const MANY = 16;

/** A rule begun here: the places to go on at behind it are known only when all who begin it have been found. */
class Begun {
  readonly rule: number;
  readonly places: number[] = [];
  readonly below: Below[] = [];
  /** Whoever ends with the rule goes on where it would go on itself. */
  readonly ending: Below[] = [];
  stacks: Stacks | undefined;

  constructor(rule: number) {
    this.rule = rule;
  }
}

type Below = Stacks | Begun;

/** Places times this must stay a safe integer times all ids of sets. */
const PLACES = 1 << 18;

/** Follows places without reading a character. Each place is visited once per set below it. */
export function reachOf(program: Program, from: Stacks, table: StackTable, work: Work): Reach {
  return new Explorer(program, work).explore(from, table);
}

class Explorer {
  readonly #program: Program;
  readonly #work: Work;
  readonly #begun = new Map<number, Begun>();
  readonly #seen = new Set<number>();
  readonly #todo: number[] = [];
  readonly #todoBelow: Below[] = [];
  readonly #found: number[] = [];
  readonly #foundBelow: Below[] = [];
  #mayEnd = false;

  constructor(program: Program, work: Work) {
    this.#program = program;
    this.#work = work;
  }

  explore(from: Stacks, table: StackTable): Reach {
    this.#enter(from);
    for (let place = this.#todo.pop(); place !== undefined; place = this.#todo.pop()) {
      this.#work.spend(1);
      this.#visit(place, this.#todoBelow.pop() as Below); // as long as #todo
    }
    this.#settle(table);
    const { sets, first, next } = this.#program;
    const ways = this.#found.map((place, index) => {
      const set = first[place] as number; // a place
      const characters = sets[set] as Int32Array; // a set
      const below = stacksOf(this.#foundBelow[index] as Below); // as many as places
      const isNarrow = this.#found.length > MANY && characters.length === 2 && characters[0] === characters[1];
      return { set, next: next[place] as number, below, codePoint: isNarrow ? (characters[0] as number) : -1 };
    });
    const wide = ways.filter(({ codePoint }) => codePoint < 0);
    const narrow = ways.filter(({ codePoint }) => codePoint >= 0).sort((a, b) => a.codePoint - b.codePoint);
    this.#work.spend(8 + 4 * ways.length);
    return {
      wide: { ...split(wide), sets: wide.map(({ set }) => set) },
      narrow: { ...split(narrow), codePoints: Int32Array.from(narrow, ({ codePoint }) => codePoint) },
      mayEnd: this.#mayEnd,
    };
  }

  #visit(place: number, below: Below): void {
    const { ops, first, next } = this.#program;
    const [target, after] = [first[place] as number, next[place] as number]; // a place
    switch (ops[place]) {
      case Op.character:
        this.#found.push(place);
        this.#foundBelow.push(below);
        return;
      case Op.either:
        this.#push(after, below);
        this.#push(target, below);
        return;
      case Op.rule:
        this.#begin(target, after, below);
        return;
      default:
        // A rule begun here that may be empty was skipped where it was begun.
        if (!(below instanceof Begun)) this.#enter(below);
    }
  }

  #enter({ places, below, hasEmpty }: Stacks): void {
    for (const [index, place] of places.entries()) this.#push(place, below[index] as Stacks); // as many as places
    this.#mayEnd ||= hasEmpty;
  }

  #begin(rule: number, after: number, below: Below): void {
    const { ops, entries, mayBeEmpty } = this.#program;
    let begun = this.#begun.get(rule);
    if (begun === undefined) {
      begun = new Begun(rule);
      this.#begun.set(rule, begun);
      this.#push(entries[rule] as number, begun); // a rule
    }
    if (ops[after] === Op.end) begun.ending.push(below);
    else {
      begun.places.push(after);
      begun.below.push(below);
    }
    if (mayBeEmpty[rule] === 1) this.#push(after, below);
  }

  #push(place: number, below: Below): void {
    // A begun rule is the only one that its places have below them, so it needs no number of its own.
    const key = (below instanceof Begun ? 0 : below.id) * PLACES + place;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.#todo.push(place);
    this.#todoBelow.push(below);
  }

  /** Whoever begins a rule is settled before it, for no rule begins with itself. */
  #settle(table: StackTable): void {
    const { ranks } = this.#program;
    const rank = ({ rule }: Begun): number => ranks[rule] as number; // a rule
    for (const begun of [...this.#begun.values()].sort((a, b) => rank(a) - rank(b))) {
      const builder = new Builder();
      for (const [index, place] of begun.places.entries()) {
        builder.add(place, stacksOf(begun.below[index] as Below)); // as many as places
      }
      for (const below of begun.ending) builder.addAll(stacksOf(below));
      begun.stacks = builder.build(table, this.#work);
    }
  }
}

function stacksOf(below: Below): Stacks {
  const stacks = below instanceof Begun ? below.stacks : below;
  if (stacks === undefined) throw new Error("a rule was begun by one that is settled later");
  return stacks;
}

function split(ways: readonly { readonly next: number; readonly below: Stacks }[]): Ways {
  return { next: ways.map(({ next }) => next), below: ways.map(({ below }) => below) };
}
