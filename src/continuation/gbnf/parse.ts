import { type CodePoints, characters, complement, HIGHEST, isCharacter } from "../code-points.ts";
import { type Expression, GrammarError, type Rule } from "./expression.ts";

/** Deepest nesting of parentheses. */
const MAX_NESTING = 200;

/** Most repetitions of repetitions, as in `"a"{2}{3}`, of a grammar. */
const MAX_STACKED = 200;

/** Most characters of a name that a message repeats. */
const SHOWN_NAME = 40;

/**
 * Reads GBNF, llama.cpp's notation for grammars (grammars/README.md, v0.4.0), but for tokens by name or number.
 *
 * @returns the rules in the order of the source, `root` among them.
 * @throws GrammarError that names line and column.
 */
export function parseGrammar(source: string): readonly Rule[] {
  return new Parser(source).rules();
}

const ANY: Expression = { kind: "character", of: characters([[0, HIGHEST]]) };

const ESCAPES: Readonly<Record<string, string>> = { t: "\t", r: "\r", n: "\n", "\\": "\\", '"': '"' };
const ESCAPES_IN_CLASSES: Readonly<Record<string, string>> = { "[": "[", "]": "]", "-": "-" };
const HEX_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

const NAME = /[a-zA-Z0-9-]+/y;
const INTEGER = /[0-9]{1,9}(?![0-9])/y;
const BLANKS = /(?:[ \t]|#[^\r\n]*)+/y;
const BLANKS_AND_LINES = /(?:[ \t\r\n]|#[^\r\n]*)+/y;

class Parser {
  readonly #source: string;
  #at = 0;
  #depth = 0;
  #stacked = 0;
  /** Where each rule is named for the first time. */
  readonly #referred = new Map<string, number>();
  readonly #rules = new Map<string, Rule>();

  constructor(source: string) {
    this.#source = source;
  }

  rules(): readonly Rule[] {
    this.#space(true);
    while (this.#at < this.#source.length) this.#rule();
    for (const [name, at] of this.#referred) {
      if (!this.#rules.has(name)) throw this.#error(`there is no rule "${shown(name)}"`, at);
    }
    if (!this.#rules.has("root"))
      throw new GrammarError('there is no rule "root", which describes the whole text: root ::= …');
    return [...this.#rules.values()];
  }

  #rule(): void {
    const start = this.#at;
    const name = this.#take(NAME);
    if (name === undefined) throw this.#expected("the name of a rule: letters, digits and -");
    if (this.#rules.has(name)) throw this.#error(`the rule "${shown(name)}" is there already`, start);
    this.#space(false);
    if (!this.#source.startsWith("::=", this.#at)) throw this.#expected(`::= behind the name "${shown(name)}"`);
    this.#at += 3;
    this.#space(true);
    this.#rules.set(name, { name, body: this.#choice(false) });
    if (this.#at < this.#source.length && this.#take(/\r\n|\r|\n/y) === undefined) {
      throw this.#expected('another part of the rule, "|", or the end of the line');
    }
    this.#space(true);
    if (this.#peek() === "|") {
      throw this.#error('a rule goes on in the next line only behind "|" or within parentheses', this.#at);
    }
  }

  /** @param isNested within parentheses, where a line may end anywhere. */
  #choice(isNested: boolean): Expression {
    const options = [this.#sequence(isNested)];
    while (this.#peek() === "|") {
      this.#at += 1;
      this.#space(true);
      options.push(this.#sequence(isNested));
    }
    const [only] = options;
    return options.length === 1 && only !== undefined ? only : { kind: "choice", options };
  }

  #sequence(isNested: boolean): Expression {
    const items: Expression[] = [];
    for (let item = this.#item(); item !== undefined; item = this.#item()) {
      this.#space(isNested);
      items.push(this.#repeated(item, isNested));
    }
    const [only] = items;
    return items.length === 1 && only !== undefined ? only : { kind: "sequence", items };
  }

  /** Undefined: nothing begins here that could be one. */
  #item(): Expression | undefined {
    const start = this.#at;
    switch (this.#peek()) {
      case '"':
        return this.#literal();
      case "[":
        return this.#class();
      case "(":
        return this.#group();
      case ".":
        this.#at += 1;
        return ANY;
      case "<":
      case "!":
        throw this.#error("tokens by name or number are not supported; write their text in quotation marks", start);
      case "*":
      case "+":
      case "?":
      case "{":
        throw this.#error(`"${this.#peek()}" has nothing in front of it to repeat`, start);
    }
    const name = this.#take(NAME);
    if (name === undefined) return undefined;
    if (!this.#referred.has(name)) this.#referred.set(name, start);
    return { kind: "rule", name };
  }

  #repeated(item: Expression, isNested: boolean): Expression {
    let repeated = item;
    for (let bounds = this.#bounds(isNested); bounds !== undefined; bounds = this.#bounds(isNested)) {
      const [min, max] = bounds;
      repeated = this.#repetition(repeated, min, max);
      this.#space(isNested);
    }
    return repeated;
  }

  /** Of `*`, `+` and `?` behind each other one is left, so that a row of them is no deep expression. */
  #repetition(item: Expression, min: number, max: number): Expression {
    if (min === 1 && max === 1) return item;
    if (item.kind !== "repeat") return { kind: "repeat", item, min, max };
    if (isSign(item) && isSign({ min, max })) {
      return { ...item, min: Math.min(item.min, min), max: Math.max(item.max, max) };
    }
    this.#stacked += 1;
    if (this.#stacked > MAX_STACKED) {
      throw this.#error(`more than ${MAX_STACKED} repetitions of repetitions`, this.#at - 1);
    }
    return { kind: "repeat", item, min, max };
  }

  #bounds(isNested: boolean): readonly [number, number] | undefined {
    const sign = this.#take(/[*+?]/y);
    if (sign === "*") return [0, Number.POSITIVE_INFINITY];
    if (sign === "+") return [1, Number.POSITIVE_INFINITY];
    if (sign === "?") return [0, 1];
    const start = this.#at;
    if (this.#take(/\{/y) === undefined) return undefined;
    const min = this.#integer(isNested);
    if (min === undefined) throw this.#expected("a number of at most nine digits, as in {2} or {2,5}");
    let max = min;
    if (this.#take(/,/y) !== undefined) max = this.#integer(isNested) ?? Number.POSITIVE_INFINITY;
    if (this.#take(/\}/y) === undefined) throw this.#expected('"}", as in {2}, {2,} or {2,5}');
    if (max < min) throw this.#error(`the numbers of {${min},${max}} are out of order`, start);
    return [min, max];
  }

  #integer(isNested: boolean): number | undefined {
    this.#space(isNested);
    const digits = this.#take(INTEGER);
    this.#space(isNested);
    return digits === undefined ? undefined : Number(digits);
  }

  #group(): Expression {
    const start = this.#at;
    this.#at += 1;
    this.#depth += 1;
    if (this.#depth > MAX_NESTING) throw this.#error(`parentheses are nested deeper than ${MAX_NESTING}`, start);
    this.#space(true);
    const inside = this.#choice(true);
    this.#depth -= 1;
    if (this.#peek() === undefined) throw this.#error('this "(" has no ")"', start);
    if (this.#peek() !== ")") throw this.#expected('another part, "|" or ")"');
    this.#at += 1;
    return inside;
  }

  #literal(): Expression {
    const start = this.#at;
    const items: Expression[] = [];
    this.#at += 1;
    while (this.#peek() !== '"') {
      if (this.#peek() === undefined) throw this.#error("this quotation mark has no second one", start);
      const codePoint = this.#character();
      items.push({ kind: "character", of: [[codePoint, codePoint]] });
    }
    this.#at += 1;
    return { kind: "sequence", items };
  }

  #class(): Expression {
    const start = this.#at;
    this.#at += 1;
    const isNegated = this.#take(/\^/y) !== undefined;
    const ranges: CodePoints[] = [];
    while (this.#peek() !== "]") {
      if (this.#peek() === undefined) throw this.#error('this "[" has no "]"', start);
      ranges.push(this.#range());
    }
    this.#at += 1;
    const of = characters(isNegated ? complement(ranges) : ranges);
    if (of.length === 0) throw this.#error("there is no character in these brackets", start);
    return { kind: "character", of };
  }

  #range(): CodePoints {
    const start = this.#at;
    const low = this.#character();
    if (this.#peek() !== "-" || this.#source[this.#at + 1] === "]") return [low, low];
    this.#at += 1;
    const high = this.#character();
    if (high < low) throw this.#error("the ends of this range are out of order", start);
    return [low, high];
  }

  /** One character of a literal or a class, as it is or escaped. */
  #character(): number {
    const start = this.#at;
    const codePoint = this.#source.codePointAt(start);
    if (codePoint === undefined) throw this.#expected("a character");
    this.#at += codePoint > 0xffff ? 2 : 1;
    const written = codePoint === 0x5c ? this.#escaped(start) : codePoint;
    if (!isCharacter(written)) throw this.#error("this is no character of Unicode", start);
    return written;
  }

  /** Behind a backslash at `start`. */
  #escaped(start: number): number {
    const letter = this.#peek() ?? "";
    this.#at += letter.length;
    const plain = ESCAPES[letter] ?? ESCAPES_IN_CLASSES[letter];
    if (plain !== undefined) return plain.codePointAt(0) ?? 0;
    const count = HEX_DIGITS[letter];
    if (count === undefined) {
      throw this.#error('expected one of \\n \\r \\t \\\\ \\" \\[ \\] \\- \\xHH \\uHHHH \\UHHHHHHHH', start);
    }
    const digits = this.#source.slice(this.#at, this.#at + count);
    this.#at += digits.length;
    if (digits.length < count || !/^[0-9a-f]*$/i.test(digits)) {
      throw this.#error(`expected ${count} hexadecimal digits behind \\${letter}`, start);
    }
    return Number.parseInt(digits, 16);
  }

  /** Blanks and comments. @param withLines ends of lines too. */
  #space(withLines: boolean): void {
    this.#take(withLines ? BLANKS_AND_LINES : BLANKS);
  }

  #peek(): string | undefined {
    return this.#source[this.#at];
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #expected(what: string): GrammarError {
    return this.#error(`expected ${what}, found ${this.#found()}`, this.#at);
  }

  #found(): string {
    const codePoint = this.#source.codePointAt(this.#at);
    if (codePoint === undefined) return "the end of the grammar";
    if (codePoint === 0x0a || codePoint === 0x0d) return "the end of the line";
    const character = String.fromCodePoint(codePoint);
    const isVisible = /^[\p{L}\p{N}\p{P}\p{S} ]$/u.test(character);
    return isVisible ? `"${character}"` : `U+${codePoint.toString(16).toUpperCase().padStart(4, "0")}`;
  }

  #error(what: string, at: number): GrammarError {
    const lines = this.#source.slice(0, at).split(/\r\n|\r|\n/);
    const column = [...(lines.at(-1) ?? "")].length + 1;
    return new GrammarError(`line ${lines.length}, column ${column}: ${what}`);
  }
}

/** `*`, `+` or `?`. */
function isSign({ min, max }: { readonly min: number; readonly max: number }): boolean {
  return min <= 1 && (max === 1 || max === Number.POSITIVE_INFINITY);
}

function shown(name: string): string {
  return name.length <= SHOWN_NAME ? name : `${name.slice(0, SHOWN_NAME)}…`;
}
