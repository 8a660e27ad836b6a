import type { CodePoints } from "../code-points.ts";
import { beginnings, ranked } from "./beginnings.ts";
import { type Expression, GrammarError, type Rule } from "./expression.ts";
import { Op, type Program } from "./places.ts";

/**
 * Most places of a grammar with its repetitions written out. Bounds the memory of a grammar, and how long it takes to
 * make one: about 50 ms.
 */
export const MAX_PLACES = 1 << 17;

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
        return joined(expression.items).reduceRight((place, item) => this.#expression(item, place), next);
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

/**
 * Repetitions of one thing that follow each other are one repetition: x? x? is x{0,2}, at whose places fewer ways to read
 * a text meet.
 */
function joined(items: readonly Expression[]): readonly Expression[] {
  const joined: Expression[] = [];
  for (const item of items) {
    const last = joined.at(-1);
    if (item.kind === "repeat" && last?.kind === "repeat" && isSame(item.item, last.item)) {
      joined[joined.length - 1] = { ...item, min: item.min + last.min, max: item.max + last.max };
    } else joined.push(item);
  }
  return joined;
}

function isSame(one: Expression, other: Expression): boolean {
  if (one.kind === "rule") return other.kind === "rule" && one.name === other.name;
  return one.kind === "character" && other.kind === "character" && one.of.join() === other.of.join();
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
