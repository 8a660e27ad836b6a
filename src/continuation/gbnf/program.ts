import type { CodePoints } from "../code-points.ts";
import { type Expression, GrammarError, type Rule } from "./expression.ts";

/**
 * Most places of a grammar with its repetitions written out. Bounds the memory of a grammar, and how long it takes to
 * make one: about 30 ms.
 */
export const MAX_PLACES = 1 << 17;

/** What happens at a place of a rule. */
export const Op = {
  /** One character of set `first`, then the place `next`. */
  character: 0,
  /** The rule `first`, then the place `next`. */
  rule: 1,
  /** The place `first` or the place `next`. */
  either: 2,
  /** The end of the rule. */
  end: 3,
} as const;

/** A grammar as places to be at: what may come next from each of them. */
export interface Program {
  /** By place. */
  readonly ops: Uint8Array;
  readonly first: Int32Array;
  readonly next: Int32Array;
  readonly ruleOf: Int32Array;
  /** Sets of characters: both ends of each range, in order. */
  readonly sets: readonly Int32Array[];
  /** By rule. */
  readonly names: readonly string[];
  readonly entries: Int32Array;
  readonly mayBeEmpty: Uint8Array;
  /** A rule that begins with another one has the lower rank. */
  readonly ranks: Int32Array;
  readonly root: number;
}

/** @throws GrammarError for a grammar that is too large, or whose rules begin with themselves. */
export function programOf(rules: readonly Rule[]): Program {
  const emitter = new Emitter(rules);
  const entries = Int32Array.from(rules, (_, rule) => emitter.rule(rule));
  const places = emitter.places();
  const names = rules.map(({ name }) => name);
  const { mayBeEmpty, begins } = beginnings(places, entries);
  return { ...places, names, entries, mayBeEmpty, ranks: ranked(begins, names), root: names.indexOf("root") };
}

class Emitter {
  readonly #rules: readonly Rule[];
  readonly #numbers: ReadonlyMap<string, number>;
  readonly #ops: number[] = [];
  readonly #first: number[] = [];
  readonly #next: number[] = [];
  readonly #ruleOf: number[] = [];
  readonly #sets: Int32Array[] = [];
  readonly #setNumbers = new Map<string, number>();
  #current = 0;

  constructor(rules: readonly Rule[]) {
    this.#rules = rules;
    this.#numbers = new Map(rules.map(({ name }, index) => [name, index]));
    let total = 0;
    for (const { name, body } of rules) {
      total += size(body) + 1;
      if (total <= MAX_PLACES) continue;
      const most = `at most ${MAX_PLACES} places with its repetitions written out, and with the rule "${name}" it comes to`;
      throw new GrammarError(`a grammar may have ${most} ${total}; lower the bounds of repetitions`);
    }
  }

  rule(index: number): number {
    this.#current = index;
    const { body } = this.#rules[index] as Rule; // an index of the rules
    return this.#expression(body, this.#place(Op.end, 0, 0));
  }

  places() {
    return {
      ops: Uint8Array.from(this.#ops),
      first: Int32Array.from(this.#first),
      next: Int32Array.from(this.#next),
      ruleOf: Int32Array.from(this.#ruleOf),
      sets: this.#sets,
    };
  }

  /** From the end to the beginning. @returns the place where the expression begins. @param next where it goes on. */
  #expression(expression: Expression, next: number): number {
    switch (expression.kind) {
      case "character":
        return this.#place(Op.character, this.#set(expression.of), next);
      case "rule":
        return this.#reference(expression.name, next);
      case "sequence":
        return expression.items.reduceRight((place, item) => this.#expression(item, place), next);
      case "choice":
        return expression.options
          .map((option) => this.#expression(option, next))
          .reduceRight((place, option) => this.#place(Op.either, option, place));
      case "repeat":
        return this.#repetition(expression, next);
    }
  }

  /** A rule that is one character is written in place of its name. */
  #reference(name: string, next: number): number {
    const index = this.#numbers.get(name) ?? -1; // the parser has found it
    const body = this.#rules[index]?.body;
    if (body?.kind === "character") return this.#expression(body, next);
    return this.#place(Op.rule, index, next);
  }

  /** Optional ones are nested, x{0,2} is (x x?)?: so one place stands for all counts that are left. */
  #repetition({ item, min, max }: Expression & { readonly kind: "repeat" }, next: number): number {
    let place = next;
    let required = min;
    if (max === Number.POSITIVE_INFINITY) {
      const loop = this.#place(Op.either, 0, next);
      const body = this.#expression(item, loop);
      this.#first[loop] = body;
      place = min > 0 ? body : loop;
      required = Math.max(0, min - 1);
    }
    for (let count = min; count < max && max !== Number.POSITIVE_INFINITY; count += 1) {
      place = this.#place(Op.either, this.#expression(item, place), next);
    }
    for (let count = 0; count < required; count += 1) place = this.#expression(item, place);
    return place;
  }

  #place(op: number, first: number, next: number): number {
    this.#ops.push(op);
    this.#first.push(first);
    this.#next.push(next);
    this.#ruleOf.push(this.#current);
    return this.#ops.length - 1;
  }

  #set(of: readonly CodePoints[]): number {
    const key = of.join();
    const known = this.#setNumbers.get(key);
    if (known !== undefined) return known;
    this.#setNumbers.set(key, this.#sets.length);
    return this.#sets.push(Int32Array.from(of.flat())) - 1;
  }
}

/** Places that an expression comes to. */
function size(expression: Expression): number {
  switch (expression.kind) {
    case "character":
    case "rule":
      return 1;
    case "sequence":
      return expression.items.reduce((sum, item) => sum + size(item), 0);
    case "choice":
      return expression.options.reduce((sum, option) => sum + size(option) + 1, -1);
    case "repeat": {
      const { item, min, max } = expression;
      const each = Math.max(1, size(item)); // writing out nothing takes time too
      return max === Number.POSITIVE_INFINITY ? each * Math.max(1, min) + 1 : each * max + max - min;
    }
  }
}

type Places = Pick<Program, "ops" | "first" | "next" | "ruleOf">;

/** Which rules may be empty, and which rules each one may begin with. Every place is looked at once. */
function beginnings({ ops, first, next, ruleOf }: Places, entries: Int32Array) {
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
      for (const each of waiting[rule] ?? []) todo.push(each);
    }
  }
  return { mayBeEmpty, begins };
}

/** Depth first, without recursion: a chain of rules may be long. */
function ranked(begins: readonly ReadonlySet<number>[], names: readonly string[]): Int32Array {
  const ranks = new Int32Array(begins.length).fill(-1);
  const isOpen = new Uint8Array(begins.length);
  let rank = begins.length;
  for (const start of begins.keys()) {
    if (ranks[start] !== -1) continue;
    const path = [{ rule: start, rest: [...(begins[start] ?? [])] }];
    isOpen[start] = 1;
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const rule = top.rest.pop();
      if (rule === undefined) {
        path.pop();
        rank -= 1;
        ranks[top.rule] = rank;
        isOpen[top.rule] = 0;
      } else if (isOpen[rule] === 1) {
        throw leftRecursive(path.slice(path.findIndex((each) => each.rule === rule)).map((each) => names[each.rule]));
      } else if (ranks[rule] === -1) {
        isOpen[rule] = 1;
        path.push({ rule, rest: [...(begins[rule] ?? [])] });
      }
    }
  }
  return ranks;
}

/** Most rules of a circle that a message names. */
const SHOWN_RULES = 6;

function leftRecursive(circle: readonly (string | undefined)[]): GrammarError {
  const [first] = circle;
  const shown = [...circle.slice(0, SHOWN_RULES), ...(circle.length > SHOWN_RULES ? ["…"] : []), first].join(" → ");
  return new GrammarError(`the rule "${first}" begins with itself (${shown}); let it begin with something else`);
}
