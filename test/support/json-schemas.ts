/** JSON Schemas for property tests, each with values that it admits. */
import fc from "fast-check";

/** A schema, and values that it admits, written in the order of the schema. */
export interface SchemaSample {
  readonly schema: unknown;
  readonly values: readonly unknown[];
}

const NAMES = ["a", "b", "ab", 'q"', "é"] as const;

/** The validator of the tests calls these two of a listed value, and fails where they are properties of it. */
const isValidatable = (value: unknown): boolean => !/"(?:toString|valueOf)":/.test(JSON.stringify(value));

const leaf: fc.Arbitrary<SchemaSample> = fc.oneof(
  fc.constant({ schema: { type: "null" }, values: [null] }),
  fc.constant({ schema: { type: "boolean", title: "yes or no" }, values: [true, false] }),
  fc.array(fc.string({ unit: "binary" })).map((values) => ({ schema: { type: "string" }, values })),
  fc.array(fc.maxSafeInteger()).map((values) => ({ schema: { type: "integer" }, values })),
  fc
    .tuple(fc.integer({ min: -1200, max: 1200 }), fc.nat(1500), fc.array(fc.double({ min: 0, max: 1, noNaN: true })))
    .map(([low, width, parts]) => ({
      schema: { type: "integer", minimum: low, maximum: low + width },
      values: parts.map((part) => low + Math.round(part * width)),
    })),
  fc.tuple(fc.nat(3), fc.nat(3), fc.array(fc.string({ unit: "grapheme" }))).map(([min, more, texts]) => ({
    schema: { type: "string", minLength: min, maxLength: min + more },
    values: texts.filter((text) => [...text].length >= min && [...text].length <= min + more),
  })),
  fc.array(fc.jsonValue({ maxDepth: 1 }).filter(isValidatable), { minLength: 1, maxLength: 3 }).map((values) => ({
    schema: { enum: values },
    values,
  })),
);

/** Schemas nested a few levels deep, over a small alphabet of property names. */
export const { schema: jsonSchemas } = fc.letrec<{ schema: SchemaSample }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    leaf,
    fc.tuple(tie("schema"), fc.nat(2), fc.nat(2)).map(([{ schema, values }, minItems, more]) => ({
      schema: { type: "array", items: schema, minItems, maxItems: minItems + more },
      values: [values.slice(0, minItems + more)].filter((items) => items.length >= minItems),
    })),
    fc
      .uniqueArray(fc.tuple(fc.constantFrom(...NAMES), tie("schema"), fc.boolean()), { selector: ([name]) => name })
      .chain((members) => fc.tuple(fc.constant(members), fc.boolean(), fc.subarray([...members.keys()])))
      .map(([members, isClosed, chosen]) => objectOf(members, isClosed, chosen)),
    fc.tuple(tie("schema"), tie("schema")).map(([one, other]) => ({
      schema: { anyOf: [one.schema, other.schema] },
      values: [...one.values, ...other.values],
    })),
    tie("schema").map(({ schema, values }) => ({ schema: { allOf: [schema, true] }, values })),
  ),
}));

function objectOf(
  members: readonly (readonly [string, SchemaSample, boolean])[],
  isClosed: boolean,
  chosen: readonly number[],
): SchemaSample {
  const present = members.filter(([, , isRequired], index) => isRequired || chosen.includes(index));
  const value = Object.fromEntries(present.map(([name, { values }]) => [name, values[0]]));
  return {
    schema: {
      type: "object",
      properties: Object.fromEntries(members.map(([name, { schema }]) => [name, schema])),
      required: members.filter(([, , isRequired]) => isRequired).map(([name]) => name),
      additionalProperties: !isClosed,
    },
    values: present.every(([, { values }]) => values.length > 0) ? [value] : [],
  };
}
