import { type CodePoints, complement } from "../code-points.ts";

/**
 * The part of regular expressions that describes a regular language and nothing else: characters, classes, groups,
 * `|`, `*`, `+`, `?`, `{m,n}`, and `^` and `$` at the ends. Syntax and meaning: ECMA-262, with the `u` flag.
 */
export type Pattern =
  | { readonly kind: "character"; readonly of: readonly CodePoints[] }
  | { readonly kind: "sequence"; readonly items: readonly Pattern[] }
  | { readonly kind: "choice"; readonly options: readonly Pattern[] }
  | { readonly kind: "repeat"; readonly item: Pattern; readonly min: number; readonly max: number };

export const ANY_CHARACTER: readonly CodePoints[] = [[0, 0x10ffff]];

/** What cannot be expressed; the message goes on after "pattern ". */
export class PatternError extends Error {
  override readonly name = "PatternError";
}

/** Longest expression, characters. */
const MAX_LENGTH = 16_384;

/** Whole strings in which the expression is found: what is not anchored may stand anywhere. */
export function parsePattern(source: string): Pattern {
  if (source.length > MAX_LENGTH) throw new PatternError(`has more than ${MAX_LENGTH} characters`);
  return new Parser([...source]).whole();
}

/** Fewest and most characters of a match. */
export function lengthsOf(pattern: Pattern): readonly [min: number, max: number] {
  switch (pattern.kind) {
    case "character":
      return [1, 1];
    case "sequence":
      return pattern.items.map(lengthsOf).reduce(([min, max], [low, high]) => [min + low, max + high], [0, 0]);
    case "choice": {
      const lengths = pattern.options.map(lengthsOf);
      return [Math.min(...lengths.map(([min]) => min)), Math.max(...lengths.map(([, max]) => max))];
    }
    case "repeat": {
      const [min, max] = lengthsOf(pattern.item);
      return [min * pattern.min, max === 0 || pattern.max === 0 ? 0 : max * pattern.max];
    }
  }
}

const ANYTHING: Pattern = {
  kind: "repeat",
  item: { kind: "character", of: ANY_CHARACTER },
  min: 0,
  max: Number.POSITIVE_INFINITY,
};

const DIGIT: readonly CodePoints[] = [[0x30, 0x39]];
const WORD: readonly CodePoints[] = [...DIGIT, [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]];
/** White space and line ends of ECMA-262, 12.2 and 12.3. */
const SPACE: readonly CodePoints[] = [
  ...([
    [0x09, 0x0d],
    [0x20, 0x20],
    [0xa0, 0xa0],
    [0x1680, 0x1680],
    [0x2000, 0x200a],
  ] as const),
  ...([
    [0x2028, 0x2029],
    [0x202f, 0x202f],
    [0x205f, 0x205f],
    [0x3000, 0x3000],
    [0xfeff, 0xfeff],
  ] as const),
];
const LINE_END: readonly CodePoints[] = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
];

const CLASSES: Readonly<Record<string, readonly CodePoints[]>> = {
  d: DIGIT,
  D: complement(DIGIT),
  w: WORD,
  W: complement(WORD),
  s: SPACE,
  S: complement(SPACE),
};

const ESCAPED: Readonly<Record<string, number>> = { t: 0x09, n: 0x0a, v: 0x0b, f: 0x0c, r: 0x0d, "0": 0 };

/** Most digits of a code point. */
const MAX_HEX = 6;

/** Deepest nesting of groups. */
const MAX_DEPTH = 50;

class Parser {
  readonly #source: readonly string[];
  #at = 0;
  #depth = 0;

  /** @param source one entry per code point. */
  constructor(source: readonly string[]) {
    this.#source = source;
  }

  whole(): Pattern {
    const pattern = this.#choice(() => this.#anchored());
    if (this.#peek() !== undefined) throw this.#error(`has a "${this.#peek()}" too many`, this.#at);
    return pattern;
  }

  #choice(option: () => Pattern): Pattern {
    const options = [option()];
    while (this.#take("|")) options.push(option());
    const [first] = options;
    return options.length === 1 && first !== undefined ? first : { kind: "choice", options };
  }

  /** An alternative that spans the whole string. */
  #anchored(): Pattern {
    const isStart = this.#take("^");
    const items = this.#items();
    const isEnd = this.#take("$");
    if (isEnd && this.#peek() !== undefined && this.#peek() !== "|")
      throw this.#error('has a "$" that is not at its end', this.#at - 1);
    return {
      kind: "sequence",
      items: [...(isStart ? [] : [ANYTHING]), ...items, ...(isEnd ? [] : [ANYTHING])],
    };
  }

  #items(): Pattern[] {
    const items: Pattern[] = [];
    for (let next = this.#peek(); next !== undefined && !"|)$".includes(next); next = this.#peek()) {
      items.push(this.#quantified(this.#atom()));
    }
    return items;
  }

  #quantified(item: Pattern): Pattern {
    const bounds = this.#quantifier();
    if (bounds === undefined) return item;
    const [min, max] = bounds;
    // How eagerly it repeats does not change what it matches.
    this.#take("?");
    if (this.#quantifier() !== undefined) throw this.#error("repeats a repetition; put it into a group", this.#at - 1);
    if (max === Number.POSITIVE_INFINITY && lengthsOf(item)[0] === 0) {
      throw this.#error("repeats without end something that may be empty", this.#at - 1);
    }
    return { kind: "repeat", item, min, max };
  }

  #quantifier(): readonly [number, number] | undefined {
    if (this.#take("*")) return [0, Number.POSITIVE_INFINITY];
    if (this.#take("+")) return [1, Number.POSITIVE_INFINITY];
    if (this.#take("?")) return [0, 1];
    if (this.#peek() !== "{") return undefined;
    const braces = /^\{(\d+)(,(\d*))?\}/.exec(this.#source.slice(this.#at, this.#at + 40).join(""));
    if (braces === null)
      throw this.#error('has a "{" that begins no {m}, {m,} or {m,n}; write \\{ for the character', this.#at);
    const [text, low = "", comma, high = ""] = braces;
    this.#at += text.length;
    const min = Number(low);
    const max = comma === undefined ? min : high === "" ? Number.POSITIVE_INFINITY : Number(high);
    if (max < min) throw new PatternError(`has ${text}, whose numbers are out of order`);
    return [min, max];
  }

  #atom(): Pattern {
    const next = this.#next();
    if (next === "(") return this.#group();
    if (next === "[") return { kind: "character", of: this.#class() };
    if (next === ".") return { kind: "character", of: complement(LINE_END) };
    if (next === "\\") return { kind: "character", of: this.#escape() };
    if (next === "^") throw this.#error('has a "^" that is not at its start', this.#at - 1);
    if ("*+?{}]".includes(next)) {
      throw this.#error(`has a "${next}" with nothing before it; write \\${next} for the character`, this.#at - 1);
    }
    return { kind: "character", of: single(next) };
  }

  /** Behind its parenthesis. */
  #group(): Pattern {
    const start = this.#at - 1;
    if (this.#take("?")) {
      if (this.#take("<") && this.#peek() !== "=" && this.#peek() !== "!") {
        while (this.#next() !== ">");
      } else if (!this.#take(":")) {
        throw this.#error("looks ahead or behind, which a grammar cannot", start);
      }
    }
    if (++this.#depth > MAX_DEPTH) throw new PatternError(`nests groups deeper than ${MAX_DEPTH}`);
    const pattern = this.#choice(() => ({ kind: "sequence", items: this.#items() }));
    this.#depth -= 1;
    const isClosed = this.#source.includes(")", this.#at);
    if (!isClosed) throw this.#error('lacks a ")" for its "("', start);
    if (this.#peek() === "$")
      throw this.#error('has a "$" that is not at its end; put the anchors outside the group', this.#at);
    this.#at += 1;
    return pattern;
  }

  #class(): readonly CodePoints[] {
    const isNegated = this.#take("^");
    const ranges: CodePoints[] = [];
    while (!this.#take("]")) {
      const low = this.#classMember();
      if (this.#peek() !== "-" || this.#source[this.#at + 1] === "]") {
        ranges.push(...low);
        continue;
      }
      this.#at += 1;
      ranges.push(range(low, this.#classMember()));
    }
    const of = isNegated ? complement(ranges) : ranges;
    if (of.length === 0) throw new PatternError("has a class without characters");
    return of;
  }

  #classMember(): readonly CodePoints[] {
    const next = this.#next();
    if (next !== "\\") return single(next);
    return this.#take("b") ? [[0x08, 0x08]] : this.#escape();
  }

  /** After the backslash. */
  #escape(): readonly CodePoints[] {
    const next = this.#next();
    const known = Object.hasOwn(CLASSES, next) ? CLASSES[next] : undefined;
    if (known !== undefined) return known;
    const control = Object.hasOwn(ESCAPED, next) ? ESCAPED[next] : undefined;
    if (control !== undefined) return [[control, control]];
    if (next === "x") return this.#hex(2);
    if (next === "u") return this.#take("{") ? this.#hexTo("}") : this.#hex(4);
    if (/[A-Za-z0-9]/.test(next)) throw new PatternError(`has a \\${next}, which a grammar has nothing for`);
    return single(next);
  }

  #hex(digits: number): readonly CodePoints[] {
    return codePoint(Array.from({ length: digits }, () => this.#next()).join(""));
  }

  #hexTo(end: string): readonly CodePoints[] {
    let digits = "";
    for (let next = this.#next(); next !== end && digits.length <= MAX_HEX; next = this.#next()) digits += next;
    return codePoint(digits);
  }

  #error(what: string, at: number): PatternError {
    return new PatternError(`${what} (character ${at + 1})`);
  }

  #peek(): string | undefined {
    return this.#source[this.#at];
  }

  #next(): string {
    const next = this.#peek();
    if (next === undefined) throw this.#error("ends within a class, a group or an escape", this.#at);
    this.#at += 1;
    return next;
  }

  #take(wanted: string): boolean {
    if (this.#peek() !== wanted) return false;
    this.#at += 1;
    return true;
  }
}

function single(character: string): readonly CodePoints[] {
  const codePoint = character.codePointAt(0) ?? 0;
  return [[codePoint, codePoint]];
}

function codePoint(hex: string): readonly CodePoints[] {
  const value = /^[0-9a-f]{1,6}$/i.test(hex) ? Number.parseInt(hex, 16) : Number.NaN;
  if (!(value <= 0x10ffff) || (value >= 0xd800 && value <= 0xdfff)) {
    throw new PatternError(`has the escape "${hex}", which is no character`);
  }
  return [[value, value]];
}

function range(low: readonly CodePoints[], high: readonly CodePoints[]): CodePoints {
  const [from, to] = [low[0]?.[0], high[0]?.[0]];
  const isSingle = [low, high].every(([first, ...more]) => first?.[0] === first?.[1] && more.length === 0);
  if (!isSingle || from === undefined || to === undefined || from > to) {
    throw new PatternError("has a class whose range has no order");
  }
  return [from, to];
}
