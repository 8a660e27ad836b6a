/**
 * GBNF read and run in JavaScript, so that tests can ask what a grammar admits without a model. It takes what
 * llama.cpp v0.4.0 takes and refuses what that refuses or silently misreads: 2000 repetitions and more.
 */

type Expression =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "class"; readonly ranges: readonly (readonly [number, number])[]; readonly isNegated: boolean }
  | { readonly kind: "rule"; readonly name: string }
  | { readonly kind: "sequence"; readonly items: readonly Expression[] }
  | { readonly kind: "choice"; readonly options: readonly Expression[] }
  | { readonly kind: "repeat"; readonly item: Expression; readonly min: number; readonly max: number };

export class GbnfGrammar {
  readonly #rules: ReadonlyMap<string, Expression>;

  /** Throws on whatever is no grammar with a rule `root`. */
  constructor(source: string) {
    const rules = new Map(source.trim().split("\n").map(readRule));
    for (const name of ["root", ...[...rules.values()].flatMap(namesIn)]) {
      if (!rules.has(name)) throw new Error(`no rule is called ${name}`);
    }
    this.#rules = rules;
  }

  /** The whole text is one the grammar describes. */
  admits(text: string): boolean {
    const characters = [...text];
    return this.#ends(this.#rule("root"), characters, 0, new Map()).has(characters.length);
  }

  /** The text is the beginning of one the grammar describes, as far as `tails` can tell: one of them completes it. */
  admitsWith(text: string, tails: readonly string[]): boolean {
    return tails.some((tail) => this.admits(text + tail));
  }

  /** A text that the grammar describes. @param random [0, 1). @param patience depth from which on short ways are taken. */
  sample(random: () => number, patience = 12): string {
    const heights = this.#heights();
    const write = (expression: Expression, depth: number): string => {
      switch (expression.kind) {
        case "text":
          return expression.text;
        case "class":
          return characterOf(expression, random);
        case "rule":
          return write(this.#rule(expression.name), depth + 1);
        case "sequence":
          return expression.items.map((item) => write(item, depth)).join("");
        case "choice": {
          const lowest = Math.min(...expression.options.map(heights));
          const options =
            depth > patience ? expression.options.filter((each) => heights(each) === lowest) : expression.options;
          const chosen = options[Math.floor(random() * options.length)];
          if (chosen === undefined) throw new Error("a choice without options");
          return write(chosen, depth);
        }
        case "repeat": {
          const { item, min, max } = expression;
          const more = depth > patience ? 0 : Math.min(max - min, Math.floor(random() ** 2 * 4));
          return Array.from({ length: min + more }, () => write(item, depth)).join("");
        }
      }
    };
    return write(this.#rule("root"), 0);
  }

  #rule(name: string): Expression {
    const rule = this.#rules.get(name);
    if (rule === undefined) throw new Error(`no rule is called ${name}`);
    return rule;
  }

  /** Where a match that begins at `at` may end. */
  #ends(expression: Expression, text: readonly string[], at: number, known: Map<string, Set<number>>): Set<number> {
    switch (expression.kind) {
      case "text": {
        const wanted = [...expression.text];
        return new Set(wanted.every((character, index) => text[at + index] === character) ? [at + wanted.length] : []);
      }
      case "class":
        return new Set(isInClass(text[at], expression) ? [at + 1] : []);
      case "rule": {
        const key = `${expression.name}@${at}`;
        const ends = known.get(key) ?? this.#ends(this.#rule(expression.name), text, at, known);
        known.set(key, ends);
        return ends;
      }
      case "sequence": {
        let starts = new Set([at]);
        for (const item of expression.items) {
          starts = new Set([...starts].flatMap((start) => [...this.#ends(item, text, start, known)]));
        }
        return starts;
      }
      case "choice":
        return new Set(expression.options.flatMap((option) => [...this.#ends(option, text, at, known)]));
      case "repeat":
        return this.#repeatedEnds(expression, text, at, known);
    }
  }

  #repeatedEnds(
    { item, min, max }: Expression & { readonly kind: "repeat" },
    text: readonly string[],
    at: number,
    known: Map<string, Set<number>>,
  ): Set<number> {
    const reached = new Set(min === 0 ? [at] : []);
    let starts = new Set([at]);
    for (let count = 1; count <= max && starts.size > 0; count++) {
      const next = new Set([...starts].flatMap((start) => [...this.#ends(item, text, start, known)]));
      if (count >= min && [...next].every((end) => reached.has(end))) break;
      if (count >= min) for (const end of next) reached.add(end);
      starts = next;
    }
    return reached;
  }

  /** How many rules deep an expression must at least go. */
  #heights(): (expression: Expression) => number {
    const known = new Map<string, number>();
    const height = (expression: Expression): number => {
      switch (expression.kind) {
        case "text":
        case "class":
          return 0;
        case "rule":
          return 1 + (known.get(expression.name) ?? Number.POSITIVE_INFINITY);
        case "sequence":
          return Math.max(0, ...expression.items.map(height));
        case "choice":
          return Math.min(...expression.options.map(height));
        case "repeat":
          return expression.min === 0 ? 0 : height(expression.item);
      }
    };
    for (let pass = 0; pass < this.#rules.size; pass++) {
      for (const [name, rule] of this.#rules) known.set(name, height(rule));
    }
    return height;
  }
}

type CharacterClass = Expression & { readonly kind: "class" };

function isInClass(character: string | undefined, { ranges, isNegated }: CharacterClass): boolean {
  const codePoint = character?.codePointAt(0);
  if (codePoint === undefined) return false;
  return ranges.some(([low, high]) => codePoint >= low && codePoint <= high) !== isNegated;
}

/** Mostly ASCII, where the collisions are. */
function characterOf(of: CharacterClass, random: () => number): string {
  for (let attempt = 0; attempt < 20; attempt++) {
    const character = String.fromCodePoint(0x20 + Math.floor(random() * 0x5f));
    if (isInClass(character, of)) return character;
  }
  const range = of.ranges[Math.floor(random() * of.ranges.length)];
  if (range === undefined || of.isNegated) throw new Error("cannot think of a character");
  const [low, high] = range;
  const codePoint = low + Math.floor(random() * Math.min(high - low + 1, 100));
  return String.fromCodePoint(codePoint);
}

function namesIn(expression: Expression): readonly string[] {
  switch (expression.kind) {
    case "rule":
      return [expression.name];
    case "sequence":
      return expression.items.flatMap(namesIn);
    case "choice":
      return expression.options.flatMap(namesIn);
    case "repeat":
      return namesIn(expression.item);
    default:
      return [];
  }
}

function readRule(line: string): [string, Expression] {
  const [, name, body] = /^([a-zA-Z0-9-]+) ::= (.*)$/.exec(line) ?? [];
  if (name === undefined || body === undefined) throw new Error(`no rule: ${line}`);
  const reader = new Reader(body);
  const expression = reader.choice();
  reader.end();
  return [name, expression];
}

/** Most repetitions that llama.cpp takes, and how many of a group, whose inner rules count too. */
const MAX_REPETITIONS = 1999;
const MAX_GROUP_REPETITIONS = 50;

class Reader {
  readonly #source: string;
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  choice(): Expression {
    const options = [this.#sequence()];
    while (this.#take(/\|\s*/y) !== undefined) options.push(this.#sequence());
    const [only] = options;
    return options.length === 1 && only !== undefined ? only : { kind: "choice", options };
  }

  end(): void {
    if (this.#at < this.#source.length) throw this.#error("expected the end of the rule");
  }

  #sequence(): Expression {
    const items: Expression[] = [];
    for (let item = this.#atom(); item !== undefined; item = this.#atom()) {
      items.push(this.#repeated(item));
      this.#take(/\s+/y);
    }
    return { kind: "sequence", items };
  }

  #repeated(item: Expression): Expression {
    const sign = this.#take(/[*+?]|\{\d+(?:,\d*)?\}/y);
    if (sign === undefined) return item;
    if (sign === "*") return { kind: "repeat", item, min: 0, max: Number.POSITIVE_INFINITY };
    if (sign === "+") return { kind: "repeat", item, min: 1, max: Number.POSITIVE_INFINITY };
    if (sign === "?") return { kind: "repeat", item, min: 0, max: 1 };
    const [low = "", high] = sign.slice(1, -1).split(",");
    const min = Number(low);
    const max = high === undefined ? min : high === "" ? Number.POSITIVE_INFINITY : Number(high);
    const isGroup = item.kind === "sequence" || item.kind === "choice";
    const most = Number.isFinite(max) ? max : min;
    if (most > (isGroup ? MAX_GROUP_REPETITIONS : MAX_REPETITIONS)) throw this.#error(`repeats ${most} times`);
    return { kind: "repeat", item, min, max };
  }

  #atom(): Expression | undefined {
    const name = this.#take(/[a-zA-Z0-9-]+/y);
    if (name !== undefined) return { kind: "rule", name };
    if (this.#take(/"/y) !== undefined) {
      let text = "";
      while (this.#take(/"/y) === undefined) text += this.#character();
      return { kind: "text", text };
    }
    if (this.#take(/\[/y) !== undefined) return this.#class();
    if (this.#take(/\./y) !== undefined) return { kind: "class", ranges: [], isNegated: true };
    if (this.#take(/\(\s*/y) === undefined) return undefined;
    const inner = this.choice();
    if (this.#take(/\)/y) === undefined) throw this.#error('expected ")"');
    return inner;
  }

  #class(): Expression {
    const isNegated = this.#take(/\^/y) !== undefined;
    const ranges: [number, number][] = [];
    while (this.#take(/\]/y) === undefined) {
      const low = this.#character().codePointAt(0) ?? 0;
      const high = this.#take(/-(?!\])/y) === undefined ? low : (this.#character().codePointAt(0) ?? 0);
      if (high < low) throw this.#error("a range without order");
      ranges.push([low, high]);
    }
    return { kind: "class", ranges, isNegated };
  }

  #character(): string {
    const hex = this.#take(/\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\U[0-9a-fA-F]{8}/y);
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex.slice(2), 16));
    const escaped = this.#take(/\\[trn\\"[\]-]/y);
    if (escaped !== undefined) return { "\\t": "\t", "\\r": "\r", "\\n": "\n" }[escaped] ?? escaped.slice(1);
    const plain = this.#take(/[^\\]/uy);
    if (plain === undefined) throw this.#error("expected a character");
    return plain;
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #error(what: string): Error {
    return new Error(`${what} at "${this.#source.slice(this.#at, this.#at + 40)}"`);
  }
}
