import { GrammarError } from "./expression.ts";
import { Op, type Program } from "./places.ts";

type Places = Pick<Program, "ops" | "first" | "next" | "ruleOf">;

/** Which rules may be empty, and which rules each one may begin with. Every place is looked at once. */
export function beginnings({ ops, first, next, ruleOf }: Places, entries: Int32Array) {
  const mayBeEmpty = new Uint8Array(entries.length);
  const begins: Set<number>[] = Array.from(entries, () => new Set());
  /** Places that can be reached as soon as the rule turns out to be possibly empty. */
  const waiting: number[][] = Array.from(entries, () => []);
  const seen = new Uint8Array(ops.length);
  const todo = [...entries];
  for (let place = todo.pop(); place !== undefined; place = todo.pop()) {
    if (seen[place] === 1) continue;
    seen[place] = 1;
    const [target, after, rule] = [first[place] as number, next[place] as number, ruleOf[place] as number]; // a place
    if (ops[place] === Op.either) todo.push(target, after);
    if (ops[place] === Op.rule) {
      begins[rule]?.add(target);
      if (mayBeEmpty[target] === 1) todo.push(after);
      else waiting[target]?.push(after);
    }
    if (ops[place] === Op.end && mayBeEmpty[rule] === 0) {
      mayBeEmpty[rule] = 1;
      todo.push(...(waiting[rule] ?? []).splice(0));
    }
  }
  return { mayBeEmpty, begins };
}

/**
 * Ranks that put a rule before those it begins with.
 *
 * @throws GrammarError when a rule begins with itself.
 */
export function ranked(begins: readonly ReadonlySet<number>[], names: readonly string[]): Int32Array {
  const ranking = new Ranking(begins, names);
  for (const rule of begins.keys()) ranking.visit(rule);
  return ranking.ranks;
}

/** Depth first, without recursion: a chain of rules may be long. */
class Ranking {
  readonly ranks: Int32Array;
  readonly #begins: readonly ReadonlySet<number>[];
  readonly #names: readonly string[];
  /** Rules that begin with each other, and what is left to look at of each. */
  readonly #path: { readonly rule: number; readonly rest: number[] }[] = [];
  readonly #isOpen: Uint8Array;
  #rank: number;

  constructor(begins: readonly ReadonlySet<number>[], names: readonly string[]) {
    this.#begins = begins;
    this.#names = names;
    this.ranks = new Int32Array(begins.length).fill(-1);
    this.#isOpen = new Uint8Array(begins.length);
    this.#rank = begins.length;
  }

  visit(start: number): void {
    this.#open(start);
    for (let top = this.#path.at(-1); top !== undefined; top = this.#path.at(-1)) {
      const rule = top.rest.pop();
      if (rule === undefined) this.#close(top.rule);
      else this.#open(rule);
    }
  }

  #open(rule: number): void {
    if (this.#isOpen[rule] === 1) {
      const circle = this.#path.slice(this.#path.findIndex((each) => each.rule === rule));
      throw leftRecursive(circle.map((each) => this.#names[each.rule]));
    }
    if (this.ranks[rule] !== -1) return;
    this.#isOpen[rule] = 1;
    this.#path.push({ rule, rest: [...(this.#begins[rule] ?? [])] });
  }

  #close(rule: number): void {
    this.#path.pop();
    this.#isOpen[rule] = 0;
    this.#rank -= 1;
    this.ranks[rule] = this.#rank;
  }
}

/** Most rules of a circle that a message names. */
const SHOWN_RULES = 6;

function leftRecursive(circle: readonly (string | undefined)[]): GrammarError {
  const [first] = circle;
  const shown = [...circle.slice(0, SHOWN_RULES), ...(circle.length > SHOWN_RULES ? ["…"] : []), first].join(" → ");
  return new GrammarError(`the rule "${first}" begins with itself (${shown}); let it begin with something else`);
}
