import type { Bound, Range } from "./numbers.ts";
import { type Position, shown, unsupported } from "./position.ts";

/** What a schema without `anyOf` and its like demands of a value: everything here at once. Absent: anything goes. */
export interface Constraints {
  /** Where it is said, for errors. */
  readonly path: string;
  readonly types?: ReadonlySet<JsonType>;
  /** The value is one of these. */
  readonly values?: readonly unknown[];
  readonly object?: ObjectConstraints;
  readonly array?: ArrayConstraints;
  readonly string?: StringConstraints;
  readonly number?: Range;
}

/** `number` includes `integer`. */
export type JsonType = "null" | "boolean" | "object" | "array" | "string" | "number" | "integer";

export interface ObjectConstraints {
  /** All schemas of a property hold. In the order in which they are to be written. */
  readonly properties: ReadonlyMap<string, readonly Position[]>;
  readonly required: ReadonlySet<string>;
  /** Of properties not named; absent: not said. */
  readonly additional?: readonly Position[];
  /** Of the names of all properties. */
  readonly names?: readonly Position[];
}

export interface ArrayConstraints {
  /** Of the first items, one by one. */
  readonly prefix: readonly (readonly Position[])[];
  /** Of the items after them; absent: not said. */
  readonly items?: readonly Position[];
  readonly minItems: number;
  /** Absent: unbounded. */
  readonly maxItems?: number;
}

export interface StringConstraints {
  /** Code points. */
  readonly minLength?: number;
  readonly maxLength?: number;
  /** An ECMA-262 regular expression, from `pattern` or `format`, and where it is said. */
  readonly pattern?: { readonly source: string; readonly path: string };
}

/** How deep within objects a difference is looked for: tags stand near the top. */
const MAX_DEPTH = 3;

/** Both at once. Undefined: they contradict each other. */
export function both(a: Constraints, b: Constraints): Constraints | undefined {
  const types = commonTypes(a.types, b.types);
  const values = commonValues(a.values, b.values);
  if (types?.size === 0 || values?.length === 0) return undefined;
  const object = merged(a.object, b.object, bothObjects);
  const array = merged(a.array, b.array, bothArrays);
  const string = merged(a.string, b.string, bothStrings);
  const number = merged(a.number, b.number, bothRanges);
  return {
    path: a.path.length >= b.path.length ? a.path : b.path,
    ...(types && { types }),
    ...(values && { values }),
    ...(object && { object }),
    ...(array && { array }),
    ...(string && { string }),
    ...(number && { number }),
  };
}

/**
 * True when no value can satisfy both, as far as types, listed values and required properties tell.
 *
 * @param expand the alternatives of a property's schemas.
 */
export function exclude(
  a: Constraints,
  b: Constraints,
  expand: (positions: readonly Position[]) => readonly Constraints[],
  depth = 0,
): boolean {
  if (a.values !== undefined && b.values !== undefined && areDisjoint(a.values, b.values)) return true;
  const types = commonTypes(typesOf(a), typesOf(b));
  if (types?.size === 0) return true;
  const areObjects = types?.size === 1 && types.has("object");
  if (!areObjects || depth > MAX_DEPTH || a.object === undefined || b.object === undefined) return false;
  const [{ properties, required }, others] = [a.object, b.object];
  // A value has what one of them requires, and then the other speaks of it too.
  return [...required, ...others.required].some((name) => {
    const [mine, theirs] = [properties.get(name), others.properties.get(name)];
    if (mine === undefined || theirs === undefined) return false;
    return expand(mine).every((one) => expand(theirs).every((other) => exclude(one, other, expand, depth + 1)));
  });
}

export function typeOf(value: unknown): JsonType {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  if (typeof value === "boolean") return "boolean";
  return typeof value === "string" ? "string" : "object";
}

export function isOf(type: JsonType, types: ReadonlySet<JsonType>): boolean {
  return types.has(type) || (type === "integer" && types.has("number"));
}

/** The same text for equal JSON values: the order of properties does not count. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeOf(inner) === "object"
      ? Object.fromEntries(Object.entries(inner as object).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

function merged<T>(a: T | undefined, b: T | undefined, merge: (a: T, b: T) => T): T | undefined {
  return a === undefined || b === undefined ? (a ?? b) : merge(a, b);
}

function typesOf({ types, values }: Constraints): ReadonlySet<JsonType> | undefined {
  return types ?? (values && new Set(values.map(typeOf)));
}

function commonTypes(
  a: ReadonlySet<JsonType> | undefined,
  b: ReadonlySet<JsonType> | undefined,
): ReadonlySet<JsonType> | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return new Set([...[...a].filter((type) => isOf(type, b)), ...[...b].filter((type) => isOf(type, a))]);
}

function commonValues(
  a: readonly unknown[] | undefined,
  b: readonly unknown[] | undefined,
): readonly unknown[] | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const others = byText(b);
  return [...byText(a)].flatMap(([text, value]) => (others.has(text) ? [value] : []));
}

function areDisjoint(a: readonly unknown[], b: readonly unknown[]): boolean {
  const [fewer, more] = a.length < b.length ? [a, b] : [b, a];
  const others = byText(more);
  for (const text of byText(fewer).keys()) if (others.has(text)) return false;
  return true;
}

/** Made once for each list: lists are compared pair by pair. */
const texts = new WeakMap<readonly unknown[], ReadonlyMap<string, unknown>>();

function byText(values: readonly unknown[]): ReadonlyMap<string, unknown> {
  const known = texts.get(values) ?? new Map(values.map((value) => [canonical(value), value]));
  texts.set(values, known);
  return known;
}

/** A property that only one side names is an additional one for the other. */
function bothObjects(a: ObjectConstraints, b: ObjectConstraints): ObjectConstraints {
  const properties = new Map<string, readonly Position[]>();
  for (const name of [...a.properties.keys(), ...b.properties.keys()]) {
    properties.set(
      name,
      united(a.properties.get(name) ?? a.additional ?? [], b.properties.get(name) ?? b.additional ?? []),
    );
  }
  const additional = merged(a.additional, b.additional, united);
  const names = merged(a.names, b.names, united);
  return {
    properties,
    required: new Set([...a.required, ...b.required]),
    ...(additional && { additional }),
    ...(names && { names }),
  };
}

/** Each place once: schemas that refer to each other would double it with every step. */
function united(some: readonly Position[], others: readonly Position[]): readonly Position[] {
  return [...new Map([...some, ...others].map((position) => [position.path, position])).values()];
}

function bothArrays(a: ArrayConstraints, b: ArrayConstraints): ArrayConstraints {
  const prefix = Array.from({ length: Math.max(a.prefix.length, b.prefix.length) }, (_, index) =>
    united(a.prefix[index] ?? a.items ?? [], b.prefix[index] ?? b.items ?? []),
  );
  const items = merged(a.items, b.items, united);
  const maxItems = merged(a.maxItems, b.maxItems, Math.min);
  return {
    prefix,
    ...(items && { items }),
    minItems: Math.max(a.minItems, b.minItems),
    ...(maxItems !== undefined && { maxItems }),
  };
}

function bothStrings(a: StringConstraints, b: StringConstraints): StringConstraints {
  const minLength = merged(a.minLength, b.minLength, Math.max);
  const maxLength = merged(a.maxLength, b.maxLength, Math.min);
  const pattern = merged(a.pattern, b.pattern, (one, other) => {
    if (one.source === other.source) return one;
    throw unsupported(
      other.path,
      `two patterns for one string cannot both be honoured; the other is ${shown(one.path)}`,
    );
  });
  return {
    ...(minLength !== undefined && { minLength }),
    ...(maxLength !== undefined && { maxLength }),
    ...(pattern && { pattern }),
  };
}

function bothRanges(a: Range, b: Range): Range {
  const low = merged(a.low, b.low, (one, other) => stricter(one, other, one.value > other.value));
  const high = merged(a.high, b.high, (one, other) => stricter(one, other, one.value < other.value));
  return { ...(low && { low }), ...(high && { high }) };
}

function stricter(one: Bound, other: Bound, isOneStricter: boolean): Bound {
  if (one.value === other.value) return { value: one.value, isExclusive: one.isExclusive || other.isExclusive };
  return isOneStricter ? one : other;
}
