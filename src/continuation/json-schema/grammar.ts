import { checkSize, Steps } from "./bounds.ts";
import type { ArrayConstraints, Constraints, JsonType, ObjectConstraints, StringConstraints } from "./constraints.ts";
import { isOf, typeOf } from "./constraints.ts";
import { expand, type Whole } from "./expand.ts";
import { choice, literal, Rules, sequence } from "./gbnf.ts";
import { INTEGER, integersIn, isPlain, numbersIn, type Range } from "./numbers.ts";
import { type Pattern, PatternError, parsePattern } from "./pattern.ts";
import { isSchemaObject, type Position, resolve, unsupported } from "./position.ts";
import { isOnlyReference } from "./read.ts";
import { anyString, implies, stringExcept, stringLike, stringOfLength } from "./strings.ts";
import { anyArray, anyNumber, anyObject, anyValue, braced, bracketed, comma, exactly, member } from "./values.ts";

/** Most characters of a grammar, and most repetitions in it once it is loaded: both cost memory per request. */
const MAX_CHARACTERS = 512 * 1024;
const MAX_REPETITIONS = 50_000;

/** Deepest nesting of objects and arrays in a schema. */
const MAX_DEPTH = 100;

/**
 * A GBNF grammar, rule `root`, whose every text is one JSON value that the schema (JSON Schema 2020-12) admits.
 *
 * It describes what a model is to write, which may be less than the schema admits: properties come in the order of
 * `properties`, properties and items that the schema does not describe only where `additionalProperties` or `items` say
 * so, white space is bounded, and nothing follows the value.
 *
 * @param path where the schema stands, for errors.
 * @throws ServiceError `unsupported_input` or `invalid_parameter` naming the place of whatever cannot be honoured.
 */
export function grammarOfJsonSchema(schema: unknown, path: string): string {
  checkSize({ schema, path });
  return new Grammar({ schema, path }).whole();
}

/** Any JSON object. */
export function jsonObjectGrammar(): string {
  return grammarOfJsonSchema({ type: "object" }, "");
}

const ALL_TYPES: readonly JsonType[] = ["object", "array", "string", "number", "boolean", "null"];

class Grammar {
  readonly #rules = new Rules();
  readonly #root: Position;
  readonly #whole: Whole;
  /** Rule by the schemas it stands for; undefined: they admit nothing. */
  readonly #symbols = new Map<string, string | undefined>();
  /** Rules that were referred to before they were complete. */
  readonly #awaited = new Set<string>();
  #depth = 0;

  constructor(root: Position) {
    this.#root = root;
    this.#whole = { root, steps: new Steps(root) };
  }

  whole(): string {
    const name = this.#rules.reserve("root");
    const symbol = this.#symbol([this.#root]);
    if (symbol === undefined) throw this.#impossible(this.#root.path);
    this.#rules.define(name, symbol);
    return this.#rules.toString();
  }

  /** A rule, or a literal, for values that all these schemas admit. Undefined: there are none. */
  #symbol(positions: readonly Position[]): string | undefined {
    const targets = positions.map((position) => this.#target(position));
    const key = [...new Set(targets.map(({ path }) => path))].sort().join("\n");
    if (this.#symbols.has(key)) {
      const known = this.#symbols.get(key);
      if (known !== undefined) this.#awaited.add(known);
      return known;
    }
    const { path } = targets[0] ?? this.#root;
    if (++this.#depth > MAX_DEPTH) throw unsupported(path, `nests objects and arrays deeper than ${MAX_DEPTH} levels`);
    const name = this.#rules.reserve(path.slice(path.lastIndexOf(".") + 1));
    this.#symbols.set(key, name);
    const options = [...new Set(expand(targets, this.#whole).flatMap((each) => this.#options(each, name)))];
    this.#depth -= 1;
    return this.#settle(key, name, options, path);
  }

  #settle(key: string, name: string, options: readonly string[], path: string): string | undefined {
    const [only] = options;
    if (only === undefined && this.#awaited.has(name)) throw this.#impossible(path);
    const isShort = options.length === 1 && only !== undefined && /^([a-z0-9-]+|"[^" ]{0,20}")$/.test(only);
    if ((only === undefined || isShort) && !this.#awaited.has(name)) {
      this.#rules.release(name);
      this.#symbols.set(key, only);
      return only;
    }
    this.#rules.define(name, options.join(" | "));
    if (this.#rules.size > MAX_CHARACTERS || this.#rules.repetitions > MAX_REPETITIONS) {
      throw unsupported(this.#root.path, "is too large for a grammar; lower the bounds, or describe less");
    }
    return name;
  }

  /** The schema that really speaks: a bare `$ref` is its target, so that recursion comes back to the same rule. */
  #target(position: Position): Position {
    const visited = new Set<string>();
    let target = position;
    while (isSchemaObject(target.schema) && isOnlyReference(target.schema) && !visited.has(target.path)) {
      visited.add(target.path);
      target = resolve(this.#root, target.schema["$ref"], `${target.path}.$ref`);
    }
    return target;
  }

  #options(constraints: Constraints, name: string): readonly string[] {
    const { types, values, object, array, string, number } = constraints;
    if (values !== undefined) {
      return values.filter((value) => admits(constraints, value)).map((value) => exactly(this.#rules, value));
    }
    const meant: JsonType[] = [
      ...(object === undefined ? [] : (["object"] as const)),
      ...(array === undefined ? [] : (["array"] as const)),
      ...(string === undefined ? [] : (["string"] as const)),
      ...(number === undefined ? [] : (["number"] as const)),
    ];
    if (types === undefined && meant.length === 0) return [anyValue(this.#rules)];
    // A schema that speaks of properties means an object, though it admits everything else.
    const wanted = types ?? new Set(meant);
    const written = wanted.has("number") ? [...wanted].filter((type) => type !== "integer") : [...wanted];
    return (types === undefined ? ALL_TYPES.filter((type) => wanted.has(type)) : written)
      .map((type) => this.#ofType(type, constraints, name))
      .filter((option) => option !== undefined);
  }

  #ofType(type: JsonType, { path, object, array, string, number }: Constraints, name: string): string | undefined {
    switch (type) {
      case "null":
        return '"null"';
      case "boolean":
        return this.#rules.shared("boolean", () => '"true" | "false"');
      case "integer":
        return number === undefined
          ? this.#rules.shared("integer", () => INTEGER)
          : this.#inRange(number, path, integersIn);
      case "number":
        return number === undefined ? anyNumber(this.#rules) : this.#inRange(number, path, numbersIn);
      case "string":
        return string === undefined ? anyString(this.#rules) : this.#string(string, path);
      case "array":
        return array === undefined ? anyArray(this.#rules) : this.#array(array, name);
      case "object":
        return object === undefined ? anyObject(this.#rules) : this.#object(object, name);
    }
  }

  #inRange(range: Range, path: string, write: (range: Range) => string | undefined): string | undefined {
    const isWritable = [range.low, range.high].every((bound) => bound === undefined || isPlain(bound));
    if (isWritable) return write(range);
    throw unsupported(path, "bounds of numbers should be from 0.000001 to 1e21 away from zero, or zero");
  }

  #string({ minLength, maxLength, pattern }: StringConstraints, path: string): string | undefined {
    if (minLength !== undefined && maxLength !== undefined && minLength > maxLength) return undefined;
    if (pattern === undefined) return stringOfLength(this.#rules, minLength ?? 0, maxLength);
    const parsed = readPattern(pattern.source, pattern.path);
    if (!implies(parsed, minLength, maxLength)) {
      throw unsupported(path, "a length beside a pattern cannot be honoured; say it within the pattern");
    }
    const text = stringLike(this.#rules, parsed);
    if (text === undefined) throw unsupported(pattern.path, "no JSON string matches it");
    return text;
  }

  #array({ prefix, items, minItems, maxItems }: ArrayConstraints, name: string): string | undefined {
    if (maxItems !== undefined && minItems > maxItems) return undefined;
    const first = prefix.slice(0, maxItems).map((positions) => this.#symbol(positions));
    const end = first.indexOf(undefined);
    const listed = (end < 0 ? first : first.slice(0, end)).filter((symbol) => symbol !== undefined);
    const isOpen = end < 0 && listed.length === prefix.length;
    const rest = isOpen ? this.#itemsAfter(items, prefix.length) : undefined;
    const most = rest === undefined ? listed.length : (maxItems ?? Number.POSITIVE_INFINITY);
    if (minItems > most) return undefined;
    const rules = this.#rules;
    const fewestMore = Math.max(0, minItems - Math.max(1, listed.length));
    const mostMore = most - Math.max(1, listed.length);
    const more =
      rest === undefined || mostMore <= 0
        ? ""
        : rules.repeated(
            this.#more(name, rest),
            fewestMore,
            mostMore === Number.POSITIVE_INFINITY ? undefined : mostMore,
          );
    if (listed.length > 0) return bracketed(rules, sequence(listed.join(` ${comma(rules)} `), more), false);
    if (rest === undefined || most === 0) return bracketed(rules, "", false);
    return bracketed(rules, sequence(rest, more), minItems === 0);
  }

  /** Undefined: no item may follow. */
  #itemsAfter(items: readonly Position[] | undefined, prefix: number): string | undefined {
    if (items !== undefined) return this.#symbol(items);
    return prefix === 0 ? anyValue(this.#rules) : undefined;
  }

  #more(name: string, item: string): string {
    return this.#rules.named(`more-${name}`, sequence(comma(this.#rules), item));
  }

  #object({ properties, required, additional }: ObjectConstraints, name: string): string | undefined {
    const rules = this.#rules;
    const names = [...properties.keys(), ...[...required].filter((each) => !properties.has(each))];
    const members: Member[] = [];
    for (const each of names) {
      const positions = properties.get(each) ?? additional ?? [];
      const value = positions.length === 0 ? anyValue(rules) : this.#symbol(positions);
      if (value === undefined && required.has(each)) return undefined;
      if (value === undefined) continue;
      members.push({ text: member(rules, literal(JSON.stringify(each)), value), isRequired: required.has(each) });
    }
    const extra = additional === undefined ? undefined : this.#symbol(additional);
    const others = extra === undefined ? undefined : member(rules, stringExcept(rules, names), extra);
    return this.#members(members, others, name);
  }

  /** @param others a member besides the named ones, any number of times after them. */
  #members(members: readonly Member[], others: string | undefined, name: string): string {
    const rules = this.#rules;
    const isFirst = members.findIndex(({ isRequired }) => isRequired);
    const heads = isFirst < 0 ? members.length : isFirst + 1;
    const extra = others === undefined ? undefined : rules.named(`other-${name}`, others);
    const after = members.map(({ text, isRequired }) => {
      const next = sequence(comma(rules), text);
      return isRequired ? next : `(${next})?`;
    });
    const end = extra === undefined ? "" : `${this.#more(name, extra)}*`;
    // Tails by where they begin. Those behind the last head are never begun at, so they are written in a row.
    const tails: string[] = [];
    const row = Math.min(members.length, Math.max(1, heads + 1));
    tails[row] = sequence(...after.slice(row), end);
    for (let index = row - 1; index >= 1; index--) {
      const tail = sequence(after[index] ?? "", tails[index + 1] ?? "");
      tails[index] = heads > 1 ? rules.named(`${name}-rest`, tail) : tail;
    }
    const options = members.slice(0, heads).map(({ text }, index) => sequence(text, tails[index + 1] ?? ""));
    if (isFirst < 0 && extra !== undefined) options.push(sequence(extra, end));
    return braced(rules, choice(options) ?? "", isFirst < 0);
  }

  #impossible(path: string): Error {
    return unsupported(path, "no value can satisfy it");
  }
}

interface Member {
  readonly text: string;
  readonly isRequired: boolean;
}

function readPattern(source: string, path: string): Pattern {
  try {
    return parsePattern(source);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    throw unsupported(path, `the pattern ${error.message}`);
  }
}

/** Whether a listed value passes what else is demanded. */
function admits({ path, types, object, array, string, number }: Constraints, value: unknown): boolean {
  if (types !== undefined && !isOf(typeOf(value), types)) return false;
  if (typeof value === "number") return number === undefined || isWithin(value, number);
  if (typeof value === "string" && string !== undefined) {
    if (string.pattern !== undefined)
      throw unsupported(string.pattern.path, "stands beside enum or const; leave it out");
    const length = [...value].length;
    return length >= (string.minLength ?? 0) && length <= (string.maxLength ?? length);
  }
  const isChecked = (Array.isArray(value) ? array : typeOf(value) === "object" ? object : undefined) !== undefined;
  if (isChecked)
    throw unsupported(path, "describes the objects and arrays that its enum or const lists; keep one of both");
  return true;
}

function isWithin(value: number, { low, high }: Range): boolean {
  const isAbove = low === undefined || value > low.value || (value === low.value && !low.isExclusive);
  const isBelow = high === undefined || value < high.value || (value === high.value && !high.isExclusive);
  return isAbove && isBelow;
}
