/**
 * Sets of stacks. A stack is a place of a rule, below it the place to go on at when that rule ends, and so on down.
 *
 * A set is kept as a tree that shares what is equal: the places on top, and under each of them the set of the stacks
 * below. Equal sets are one object as long as the table lives, which makes the ways to read a text countable: however
 * many there are, at most all places are on top.
 */
export interface Stacks {
  /** No other set has it, over all tables. */
  readonly id: number;
  /** In order, each once. */
  readonly places: readonly number[];
  /** The stacks below each of the places; never an empty set. */
  readonly below: readonly Stacks[];
  /** The stack without any place is among them. */
  readonly hasEmpty: boolean;
}

/** Counts the work on a step, and throws when it comes to too much. */
export class Work {
  #left: number;

  /** @param most units of some 20 ns. */
  constructor(most: number) {
    this.#left = most;
  }

  /** A new step begins. */
  renew(most: number): void {
    this.#left = most;
  }

  spend(units: number): void {
    this.#left -= units;
    if (this.#left < 0) throw new TooMuchWork();
  }
}

export class TooMuchWork extends Error {
  override readonly name = "TooMuchWork";
}

/** Deepest stacks that are merged one by one; only a grammar with endless ambiguity leads there. */
const MAX_MERGED_DEPTH = 1_000;

let lastId = 0;

/** All sets in use, each once. */
export class StackTable {
  readonly #known = new Map<number, Stacks[]>();
  /** Of two sets, by their ids. */
  readonly #merged = new Map<string, Stacks>();
  #size = 0;

  /** Numbers that the table holds, about. */
  get size(): number {
    return this.#size;
  }

  /** The set of these stacks. @param places in order, each once. */
  intern(places: readonly number[], below: readonly Stacks[], hasEmpty: boolean, work: Work): Stacks {
    let hash = hasEmpty ? 1 : 0;
    for (const [index, place] of places.entries()) {
      hash = Math.imul(hash ^ place, 0x01000193);
      hash = Math.imul(hash ^ (below[index] as Stacks).id, 0x01000193) ^ (hash >>> 15); // as many as places
    }
    const alike = this.#known.get(hash) ?? [];
    work.spend(places.length * (1 + alike.length));
    const known = alike.find(
      (each) =>
        each.hasEmpty === hasEmpty &&
        each.places.length === places.length &&
        each.places.every((place, index) => place === places[index] && each.below[index] === below[index]),
    );
    if (known !== undefined) return known;
    lastId += 1;
    const stacks: Stacks = { id: lastId, places, below, hasEmpty };
    if (alike.length === 0) this.#known.set(hash, alike);
    alike.push(stacks);
    this.#size += 4 + 2 * places.length;
    return stacks;
  }

  /** All stacks of several sets. */
  union(sets: readonly Stacks[], work: Work, depth = 0): Stacks {
    const different = sets.length > 1 ? [...new Set(sets)] : sets;
    const [only, other] = different;
    if (only === undefined) throw new RangeError("there is no set");
    if (other === undefined) return only;
    if (depth > MAX_MERGED_DEPTH) throw new TooMuchWork();
    const key = different.length === 2 ? `${only.id} ${other.id}` : undefined;
    const known = key === undefined ? undefined : this.#merged.get(key);
    if (known !== undefined) return known;
    const builder = new Builder();
    for (const set of different) builder.addAll(set);
    const union = builder.build(this, work, depth);
    if (key !== undefined) {
      this.#merged.set(key, union);
      this.#size += 4;
    }
    return union;
  }
}

/** Gathers stacks, in any order, into a set. */
export class Builder {
  readonly #places: number[] = [];
  readonly #below: Stacks[] = [];
  #hasEmpty = false;

  get isEmpty(): boolean {
    return this.#places.length === 0 && !this.#hasEmpty;
  }

  /** The stacks with `place` on top of those in `below`. */
  add(place: number, below: Stacks): void {
    this.#places.push(place);
    this.#below.push(below);
  }

  addAll({ places, below, hasEmpty }: Stacks): void {
    for (const [index, place] of places.entries()) this.add(place, below[index] as Stacks); // as many as places
    this.#hasEmpty ||= hasEmpty;
  }

  build(table: StackTable, work: Work, depth = 0): Stacks {
    const count = this.#places.length;
    work.spend(1 + count);
    if (count <= 1) return table.intern(this.#places, this.#below, this.#hasEmpty, work);
    const groups = new Map<number, Stacks[]>();
    for (const [index, place] of this.#places.entries()) {
      const group = groups.get(place);
      const below = this.#below[index] as Stacks; // as many as places
      if (group === undefined) groups.set(place, [below]);
      else group.push(below);
    }
    const places = [...groups.keys()].sort((a, b) => a - b);
    const below = places.map((place) => table.union(groups.get(place) ?? [], work, depth + 1));
    return table.intern(places, below, this.#hasEmpty, work);
  }
}
