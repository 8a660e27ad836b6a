import { admits } from "./admits.ts";
import type { ArrayConstraints, Constraints, JsonType, ObjectConstraints, StringConstraints } from "./constraints.ts";
import { Document } from "./document.ts";
import { Expander } from "./expand.ts";
import { fitted } from "./fit.ts";
import { literal, Rules, sequence } from "./gbnf.ts";
import { following, type Member, writeMembers } from "./members.ts";
import { INTEGER, integersIn, isPlain, numbersIn, type Range, withinReach } from "./numbers.ts";
import { type Pattern, PatternError, parsePattern } from "./pattern.ts";
import { isSchemaObject, type Position, unsupported } from "./position.ts";
import { isOnlyReference } from "./read.ts";
import { checkSize } from "./size.ts";
import { anyString, stringExcept, stringLike, stringOfLength } from "./strings.ts";
import { anyArray, anyNumber, anyObject, anyValue, bracketed, comma, exactly, member } from "./values.ts";

/** Most characters of a grammar, and most repetitions in it once it is loaded: both cost memory per request. */
const MAX_CHARACTERS = 512 * 1024;
const MAX_REPETITIONS = 50_000;

/** Most different schemas that values are held to: those of a schema itself, and combinations of them. */
const MAX_SYMBOLS = 6_000;

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
  return new Grammar({ schema, path }).whole();
}

const ALL_TYPES: readonly JsonType[] = ["object", "array", "string", "number", "boolean", "null"];

class Grammar {
  readonly #rules = new Rules();
  readonly #document: Document;
  readonly #expander: Expander;
  /** Rule by the schemas it stands for; undefined: they admit nothing. */
  readonly #symbols = new Map<string, string | undefined>();
  /** Rules that were referred to before they were complete. */
  readonly #awaited = new Set<string>();
  #depth = 0;

  constructor(root: Position) {
    this.#document = new Document(root);
    this.#expander = new Expander(this.#document);
  }

  whole(): string {
    checkSize(this.#document.root);
    const name = this.#rules.reserve("root");
    const symbol = this.#symbol([this.#document.root]);
    if (symbol === undefined) throw this.#impossible(this.#document.root.path);
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
    const { path } = targets[0] ?? this.#document.root;
    if (++this.#depth > MAX_DEPTH) throw unsupported(path, `nests objects and arrays deeper than ${MAX_DEPTH} levels`);
    const name = this.#rules.reserve(path.slice(path.lastIndexOf(".") + 1));
    this.#symbols.set(key, name);
    const options = [...new Set(this.#expander.expand(targets).flatMap((each) => this.#options(each, name)))];
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
    const isLarge = this.#rules.size > MAX_CHARACTERS || this.#rules.repetitions > MAX_REPETITIONS;
    if (isLarge || this.#symbols.size > MAX_SYMBOLS) {
      throw unsupported(this.#document.root.path, "is too large for a grammar; lower the bounds, or describe less");
    }
    return name;
  }

  /** The schema that really speaks: a bare `$ref` is its target, so that recursion comes back to the same rule. */
  #target(position: Position): Position {
    const visited = new Set<string>();
    let target = position;
    while (isSchemaObject(target.schema) && isOnlyReference(target.schema) && !visited.has(target.path)) {
      visited.add(target.path);
      target = this.#document.resolve(target.schema["$ref"], `${target.path}.$ref`);
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
    const written = withinReach(range);
    const isWritable = [written.low, written.high].every((bound) => bound === undefined || isPlain(bound));
    if (isWritable) return write(written);
    throw unsupported(path, "bounds of numbers should be from 0.000001 to 1e21 away from zero, or zero");
  }

  #string({ minLength, maxLength, pattern }: StringConstraints, path: string): string | undefined {
    if (minLength !== undefined && maxLength !== undefined && minLength > maxLength) return undefined;
    if (pattern === undefined) return stringOfLength(this.#rules, minLength ?? 0, maxLength);
    const whole = readPattern(pattern.source, pattern.path);
    const parsed = fitted(whole, minLength ?? 0, maxLength ?? Number.POSITIVE_INFINITY);
    if (parsed === undefined) {
      throw unsupported(path, "the lengths beside a pattern cannot be honoured; say them within the pattern");
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
    return following(this.#rules, name, item);
  }

  #object(constraints: ObjectConstraints, name: string): string | undefined {
    const { required, additional } = constraints;
    const rules = this.#rules;
    const named = this.#namedProperties(constraints);
    if ([...required].some((each) => !named.properties.has(each))) return undefined;
    const members: Member[] = [];
    for (const [each, positions] of named.properties) {
      const value = positions.length === 0 ? anyValue(rules) : this.#symbol(positions);
      if (value === undefined && required.has(each)) return undefined;
      if (value === undefined) continue;
      members.push({ text: member(rules, literal(JSON.stringify(each)), value), isRequired: required.has(each) });
    }
    const extra = additional === undefined || named.areAll ? undefined : this.#symbol(additional);
    const others = extra === undefined ? undefined : this.#others(extra, [...named.properties.keys()], constraints);
    return writeMembers(rules, members, others, name);
  }

  /** Properties with a name, in the order in which they are written. */
  #namedProperties({ properties, required, additional, names }: ObjectConstraints): NamedProperties {
    const listed = [...properties.keys(), ...[...required].filter((each) => !properties.has(each))];
    const possible = names && this.#values(names);
    const [place] = names ?? [];
    if (place !== undefined && possible === undefined && listed.length > 0 && !this.#areAnyNames(names)) {
      throw unsupported(place.path, "is honoured beside properties only where it lists names; leave it out");
    }
    const all = possible === undefined ? listed : listed.filter((each) => possible.includes(each));
    const more = additional === undefined ? [] : (possible ?? []).filter((each) => !listed.includes(each));
    return {
      properties: new Map([...all, ...more].map((each) => [each, properties.get(each) ?? additional ?? []])),
      areAll: possible !== undefined,
    };
  }

  /** The strings that the schemas admit, where they list them. */
  #values(positions: readonly Position[]): readonly string[] | undefined {
    const alternatives = this.#expander.expand(positions).filter(({ types }) => types?.has("string") ?? true);
    if (!alternatives.every(({ values }) => values !== undefined)) return undefined;
    const values = alternatives.flatMap((each) => (each.values ?? []).filter((value) => admits(each, value)));
    return [...new Set(values.filter((value) => typeof value === "string"))];
  }

  #areAnyNames(names: readonly Position[] | undefined): boolean {
    return names === undefined || names.length === 0 || this.#expander.expand(names).some(isAnyString);
  }

  /** Members besides the named ones. Undefined: none can be. */
  #others(value: string, taken: readonly string[], { names = [] }: ObjectConstraints): string | undefined {
    const rules = this.#rules;
    if (this.#areAnyNames(names)) return member(rules, stringExcept(rules, taken), value);
    const text = this.#symbol([...names, { schema: { type: "string" }, path: "string" }]);
    return text === undefined ? undefined : member(rules, text, value);
  }

  #impossible(path: string): Error {
    return unsupported(path, "no value can satisfy it");
  }
}

interface NamedProperties {
  /** Absent positions: any value. */
  readonly properties: ReadonlyMap<string, readonly Position[]>;
  /** No other name is possible. */
  readonly areAll: boolean;
}

function isAnyString({ types, values, string }: Constraints): boolean {
  return (types?.has("string") ?? true) && values === undefined && string === undefined;
}

function readPattern(source: string, path: string): Pattern {
  try {
    return parsePattern(source);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    throw unsupported(path, `the pattern ${error.message}`);
  }
}
