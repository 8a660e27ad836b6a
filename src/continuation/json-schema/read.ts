import type { ArrayConstraints, Constraints, JsonType, ObjectConstraints, StringConstraints } from "./constraints.ts";
import { FORMATS, FREE_FORMATS, WITHOUT_LOOKING_AHEAD } from "./formats.ts";
import type { Bound, Range } from "./numbers.ts";
import { below, isSchemaObject, malformed, type Position, type SchemaObject, unsupported } from "./position.ts";

/** Keywords of one schema object, checked; those that combine schemas are for `expand.ts`. */

/** Say nothing about the value. */
const ANNOTATIONS = new Set([
  ...["title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly", "discriminator"],
  ...["$schema", "$id", "$anchor", "$comment", "$defs", "definitions"],
  ...["contentMediaType", "contentEncoding", "contentSchema", "externalDocs", "xml"],
]);

const HONOURED = new Set([
  ...["type", "enum", "const", "nullable", "$ref", "allOf", "anyOf", "oneOf"],
  ...["properties", "required", "additionalProperties", "propertyNames", "patternProperties", "unevaluatedProperties"],
  ...["prefixItems", "items", "additionalItems", "minItems", "maxItems"],
  ...["minLength", "maxLength", "pattern", "format"],
  ...["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"],
]);

/** Values of other keywords that demand nothing. */
const NEUTRAL: Readonly<Record<string, unknown>> = { uniqueItems: false, minProperties: 0, minContains: 0 };

/** Refuses what would be lost. */
export function checkKeywords({ path }: Position, schema: SchemaObject): void {
  for (const [keyword, value] of Object.entries(schema)) {
    const isFine = HONOURED.has(keyword) || ANNOTATIONS.has(keyword) || keyword.startsWith("x-");
    const isOnlyDescribed = keyword === "unevaluatedProperties" && value !== false;
    if ((isFine && !isOnlyDescribed) || (Object.hasOwn(NEUTRAL, keyword) && NEUTRAL[keyword] === value)) continue;
    throw unsupported(`${path}.${keyword}`, "no answer can be held to this keyword; leave it out");
  }
}

/** A `$ref` and nothing else that says anything. */
export function isOnlyReference(schema: SchemaObject): boolean {
  return (
    Object.keys(schema).every((keyword) => keyword === "$ref" || ANNOTATIONS.has(keyword)) &&
    Object.hasOwn(schema, "$ref")
  );
}

/** What the schema object demands by itself. */
export function readConstraints(position: Position, schema: SchemaObject): Constraints {
  const types = readTypes(position, schema["type"]);
  const values = readValues(position, schema);
  const object = readObject(position, schema);
  const array = readArray(position, schema);
  const string = readString(position, schema, types);
  const number = readRange(position, schema);
  return {
    path: position.path,
    ...(types && { types }),
    ...(values && { values }),
    ...(object && { object }),
    ...(array && { array }),
    ...(string && { string }),
    ...(number && { number }),
  };
}

const TYPES: readonly JsonType[] = ["null", "boolean", "object", "array", "string", "number", "integer"];

function readTypes(position: Position, type: unknown): ReadonlySet<JsonType> | undefined {
  if (type === undefined) return undefined;
  const given: readonly unknown[] = Array.isArray(type) ? type : [type];
  const known = given.map((name) => TYPES.find((each) => each === name));
  if (known.length === 0 || !known.every((name) => name !== undefined)) {
    throw malformed(`${position.path}.type`, `expected one of ${TYPES.join(", ")}, or an array of them`);
  }
  return new Set(known);
}

/** OpenAPI 3.0: null besides what the rest of the schema admits. */
export function isNullable({ path }: Position, { nullable }: SchemaObject): boolean {
  if (nullable === undefined || typeof nullable === "boolean") return nullable ?? false;
  throw malformed(`${path}.nullable`, "expected a boolean");
}

function readValues(position: Position, schema: SchemaObject): readonly unknown[] | undefined {
  const { enum: values } = schema;
  if (values !== undefined && (!Array.isArray(values) || values.length === 0)) {
    throw malformed(`${position.path}.enum`, "expected an array with at least one value");
  }
  const listed: readonly unknown[] | undefined = values;
  if (!Object.hasOwn(schema, "const")) return listed;
  if (listed !== undefined) throw unsupported(`${position.path}.const`, "stands beside enum; keep one of them");
  return [schema["const"]];
}

function readObject(position: Position, schema: SchemaObject): Constraints["object"] {
  const { properties = {}, required = [], additionalProperties, propertyNames } = schema;
  const patterned = readPatternProperties(position, schema);
  const keywords = ["properties", "required", "additionalProperties", "propertyNames", "unevaluatedProperties"];
  if (patterned === undefined && keywords.every((keyword) => schema[keyword] === undefined)) return undefined;
  if (!isSchemaObject(properties)) throw malformed(`${position.path}.properties`, "expected an object");
  if (!Array.isArray(required) || !required.every((name) => typeof name === "string")) {
    throw malformed(`${position.path}.required`, "expected an array of strings");
  }
  const named = below(position, "properties", properties);
  const additional =
    additionalProperties === undefined ? [] : [below(position, "additionalProperties", additionalProperties)];
  const names = propertyNames === undefined ? [] : [below(position, "propertyNames", propertyNames)];
  return {
    properties: new Map(Object.entries(properties).map(([name, schema]) => [name, [below(named, name, schema)]])),
    required: new Set(required),
    ...(additional.length > 0 && { additional }),
    ...(names.length > 0 && { names }),
    ...patterned,
  };
}

/** A map whose names match one pattern. Undefined: the schema has none. */
function readPatternProperties(
  position: Position,
  schema: SchemaObject,
): Pick<ObjectConstraints, "additional" | "names"> | undefined {
  const { patternProperties: patterns } = schema;
  if (patterns === undefined) return undefined;
  const at = below(position, "patternProperties", patterns);
  if (!isSchemaObject(patterns)) throw malformed(at.path, "expected an object");
  const [only, ...more] = Object.entries(patterns);
  if (only === undefined) return undefined;
  const [pattern, values] = only;
  const isAlone =
    more.length === 0 &&
    schema["propertyNames"] === undefined &&
    (schema["additionalProperties"] ?? false) === false &&
    Object.keys(schema["properties"] ?? {}).length === 0;
  if (!isAlone) throw unsupported(at.path, "is honoured only as one pattern that all names of an object match");
  const place = below(at, pattern, values);
  return { additional: [place], names: [{ schema: { type: "string", pattern }, path: `${place.path}.name` }] };
}

function readArray(position: Position, schema: SchemaObject): Constraints["array"] {
  const minItems = readCount(position, schema, "minItems");
  const maxItems = readCount(position, schema, "maxItems");
  const { prefix, items } = readItems(position, schema);
  if ([prefix, items, minItems, maxItems].every((value) => value === undefined)) return undefined;
  return {
    prefix: prefix ?? [],
    ...(items !== undefined && { items }),
    minItems: minItems ?? 0,
    ...(maxItems !== undefined && { maxItems }),
  };
}

/** The first items one by one, and those after them: `prefixItems` and `items`, before 2020 `items` and `additionalItems`. */
function readItems(
  position: Position,
  schema: SchemaObject,
): { prefix?: ArrayConstraints["prefix"]; items?: ArrayConstraints["items"] & {} } {
  const { prefixItems, items, additionalItems } = schema;
  const isOld = Array.isArray(items);
  const [keyword, listed] = isOld ? ["items", items] : ["prefixItems", prefixItems];
  const [restKeyword, rest] = isOld ? ["additionalItems", additionalItems] : ["items", items];
  const at = below(position, keyword, listed);
  if (isOld && prefixItems !== undefined) throw malformed(at.path, "expected one schema beside prefixItems");
  if (listed !== undefined && !Array.isArray(listed)) throw malformed(at.path, "expected an array of schemas");
  return {
    ...(listed !== undefined && { prefix: listed.map((item, index) => [below(at, String(index), item)]) }),
    ...(rest !== undefined && { items: [below(position, restKeyword, rest)] }),
  };
}

function readString(
  position: Position,
  schema: SchemaObject,
  types: ReadonlySet<JsonType> | undefined,
): StringConstraints | undefined {
  const minLength = readCount(position, schema, "minLength");
  const maxLength = readCount(position, schema, "maxLength");
  const isString = types === undefined || types.has("string");
  const pattern = readPattern(position, schema) ?? (isString ? readFormat(position, schema) : undefined);
  if (minLength === undefined && maxLength === undefined && pattern === undefined) return undefined;
  return {
    ...(minLength !== undefined && { minLength }),
    ...(maxLength !== undefined && { maxLength }),
    ...(pattern && { pattern }),
  };
}

function readPattern({ path }: Position, { pattern }: SchemaObject): StringConstraints["pattern"] {
  if (pattern === undefined) return undefined;
  if (typeof pattern !== "string") throw malformed(`${path}.pattern`, "expected a string");
  return { source: WITHOUT_LOOKING_AHEAD.get(pattern) ?? pattern, path: `${path}.pattern` };
}

/** Beside a pattern a format only names what the pattern describes (JSON Schema 2020-12, 7.2.1: an annotation). */
function readFormat({ path }: Position, { format }: SchemaObject): StringConstraints["pattern"] {
  if (format === undefined || (typeof format === "string" && FREE_FORMATS.has(format))) return undefined;
  const source = typeof format === "string" && Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined;
  if (source !== undefined) return { source, path: `${path}.format` };
  throw unsupported(`${path}.format`, `expected one of ${Object.keys(FORMATS).join(", ")}; say others with a pattern`);
}

function readRange(position: Position, schema: SchemaObject): Range | undefined {
  const low = strictest(position, schema, ["minimum", "exclusiveMinimum"], Math.max);
  const high = strictest(position, schema, ["maximum", "exclusiveMaximum"], Math.min);
  if (low === undefined && high === undefined) return undefined;
  return { ...(low && { low }), ...(high && { high }) };
}

/** An exclusive bound is a number of its own, or in OpenAPI 3.0 and JSON Schema draft 4 says that the other one is. */
function strictest(
  position: Position,
  schema: SchemaObject,
  [inclusive, exclusive]: readonly [string, string],
  stricter: (...values: number[]) => number,
): Bound | undefined {
  const isExclusive = schema[exclusive] === true;
  const keywords = typeof schema[exclusive] === "boolean" ? [inclusive] : [inclusive, exclusive];
  const bounds = keywords.flatMap((keyword): Bound[] => {
    const value = schema[keyword];
    if (value === undefined) return [];
    if (typeof value !== "number") throw malformed(`${position.path}.${keyword}`, "expected a number");
    return [{ value, isExclusive: isExclusive || keyword === exclusive }];
  });
  const value = stricter(...bounds.map((bound) => bound.value));
  return bounds.findLast((bound) => bound.value === value);
}

function readCount({ path }: Position, schema: SchemaObject, keyword: string): number | undefined {
  const value = schema[keyword];
  if (value === undefined) return undefined;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw malformed(`${path}.${keyword}`, "expected an integer of 0 or more");
}
