/**
 * Writing GBNF, llama.cpp's grammar notation.
 *
 * Facts of llama.cpp v0.4.0 that shape this file: a repetition of 2000 or more is refused or silently unbounded, and a
 * repeated group counts every rule within it; so only single symbols are repeated, in chunks.
 */
import type { CodePoints } from "../code-points.ts";

/** Longest repetition written at once. */
const CHUNK = 1000;

/** Exactly this text. Parentheses are escaped, so that those which are left show how deep a rule nests. */
export function literal(text: string): string {
  return `"${text.replace(/["\\()\p{Cc}]/gu, (character) => escaped(character.codePointAt(0) ?? 0))}"`;
}

/** The text is the name of a rule, and nothing else. */
export function isName(text: string): boolean {
  return /^[a-z0-9-]+$/.test(text);
}

/** One character of these; at least one range. */
export function oneOf(ranges: readonly CodePoints[]): string {
  return `[${ranges.map(([low, high]) => (low === high ? inClass(low) : `${inClass(low)}-${inClass(high)}`)).join("")}]`;
}

/** Any of these; a group when there are several. Undefined when there is none. */
export function choice(options: readonly string[]): string | undefined {
  const different = [...new Set(options)];
  return different.length > 1 ? `(${different.join(" | ")})` : different[0];
}

/** One after the other; empty ones vanish. */
export function sequence(...items: readonly string[]): string {
  return items.filter((item) => item !== "").join(" ");
}

/** Named rules in the order in which they were named. */
export class Rules {
  readonly #bodies = new Map<string, string>();
  /** By body, of the rules that `named` made. */
  readonly #names = new Map<string, string>();
  /** By wanted name, the first number that may be free behind it. */
  readonly #counts = new Map<string, number>();
  #size = 0;
  #repetitions = 0;

  /** Characters of all rules so far. */
  get size(): number {
    return this.#size;
  }

  /** Repetitions so far, each as often as it repeats: what the grammar grows to when it is loaded. */
  get repetitions(): number {
    return this.#repetitions;
  }

  /** A name that no rule has, made from `wanted`, reserved until `define`. */
  reserve(wanted: string): string {
    const base =
      wanted
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, "-")
        .replace(/^-+|-+$/g, "")
        .slice(0, 40) || "rule";
    let name = base;
    let count = this.#counts.get(base) ?? 2;
    for (; this.#bodies.has(name); count++) name = `${base}-${count}`;
    this.#counts.set(base, count);
    this.#bodies.set(name, "");
    return name;
  }

  define(name: string, body: string): void {
    this.#bodies.set(name, body);
    this.#size += name.length + body.length;
  }

  /** Gives back a reserved name. */
  release(name: string): void {
    this.#bodies.delete(name);
  }

  /** A rule with this body: the one there is, or a new one whose name is made from `wanted`. */
  named(wanted: string, body: string): string {
    const known = this.#names.get(body);
    if (known !== undefined) return known;
    const name = this.reserve(wanted);
    this.#names.set(body, name);
    this.define(name, body);
    return name;
  }

  /** Defines a rule under this very name, unless it is there already. */
  shared(name: string, body: () => string): string {
    if (this.#bodies.has(name)) return name;
    this.#bodies.set(name, "");
    this.define(name, body());
    return name;
  }

  /** @param symbol one rule name. @param max absent: as often as one likes. */
  repeated(symbol: string, min: number, max = Number.POSITIVE_INFINITY): string {
    const required = this.#exactly(symbol, min);
    return sequence(required, max === Number.POSITIVE_INFINITY ? `${symbol}*` : this.#atMost(symbol, max - min));
  }

  /** The grammar; `root` must be among the rules. */
  toString(): string {
    return [...this.#bodies].map(([name, body]) => `${name} ::= ${body}\n`).join("");
  }

  #exactly(symbol: string, count: number): string {
    if (count <= 1) return count === 1 ? symbol : "";
    if (count <= CHUNK) return this.#counted(symbol, `{${count}}`, count);
    return sequence(
      this.#exactly(this.#chunk(symbol), Math.floor(count / CHUNK)),
      this.#exactly(symbol, count % CHUNK),
    );
  }

  /** Every count has one way to be reached: whole chunks first, then less than a chunk. */
  #atMost(symbol: string, count: number): string {
    if (count <= 1) return count === 1 ? `${symbol}?` : "";
    if (count <= CHUNK) {
      return this.shared(`${symbol}-up-to-${count}`, () => this.#counted(symbol, `{0,${count}}`, count));
    }
    return this.shared(`${symbol}-up-to-${count}`, () => {
      const chunks = Math.floor(count / CHUNK);
      const chunk = this.#chunk(symbol);
      const fewer = sequence(this.#atMost(chunk, chunks - 1), this.#atMost(symbol, CHUNK - 1));
      return `${fewer} | ${sequence(this.#exactly(chunk, chunks), this.#atMost(symbol, count % CHUNK))}`;
    });
  }

  #chunk(symbol: string): string {
    return this.shared(`${symbol}-times-${CHUNK}`, () => this.#counted(symbol, `{${CHUNK}}`, CHUNK));
  }

  #counted(symbol: string, braces: string, count: number): string {
    this.#repetitions += count;
    return symbol + braces;
  }
}

function inClass(codePoint: number): string {
  const character = String.fromCodePoint(codePoint);
  return /[A-Za-z0-9]/.test(character) ? character : escaped(codePoint);
}

function escaped(codePoint: number): string {
  const hex = codePoint.toString(16).toUpperCase();
  if (codePoint <= 0xff) return `\\x${hex.padStart(2, "0")}`;
  return codePoint <= 0xffff ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}
