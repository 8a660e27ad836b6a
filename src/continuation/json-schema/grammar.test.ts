import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GbnfGrammar } from "../../../test/support/gbnf.ts";
import { jsonSchemas } from "../../../test/support/json-schemas.ts";
import { refusal } from "../../../test/support/protocol-call.ts";
import { Random } from "../../../test/support/random.ts";
import { ServiceError } from "../../errors.ts";
import { ANY_JSON_OBJECT, gbnfOf } from "../shape.ts";
import { grammarOfJsonSchema } from "./grammar.ts";

const grammarOf = (schema: unknown): GbnfGrammar => new GbnfGrammar(grammarOfJsonSchema(schema, "schema"));
const refused = (schema: unknown): readonly [string, string, string?] =>
  refusal(() => grammarOfJsonSchema(schema, "schema"));

/** What the refusal says; "" when there is none. */
function refusedOrNot(schema: unknown): string {
  try {
    grammarOfJsonSchema(schema, "schema");
    return "";
  } catch (error) {
    if (error instanceof ServiceError) return error.message;
    throw error;
  }
}

/** An independent opinion on what a schema admits. */
const validator = (schema: unknown): ((value: unknown) => boolean) =>
  new Ajv2020({ strict: false, meta: false, validateSchema: false }).compile(schema as object);

test("values that the schema admits are admitted, compact and pretty-printed", () => {
  fc.assert(
    fc.property(jsonSchemas, ({ schema, values }) => {
      const grammar = grammarOf(schema);
      for (const value of values) {
        expect(grammar.admits(JSON.stringify(value)), JSON.stringify(value)).toBe(true);
        expect(grammar.admits(JSON.stringify(value, null, 2)), JSON.stringify(value)).toBe(true);
      }
    }),
    { numRuns: 100 },
  );
});

test("whatever the grammar writes is one JSON value that the schema admits", () => {
  fc.assert(
    fc.property(jsonSchemas, fc.integer({ min: 1 }), ({ schema }, seed) => {
      const grammar = grammarOf(schema);
      const isValid = validator(schema);
      const random = new Random(seed);
      for (let run = 0; run < 5; run++) {
        const text = grammar.sample(() => random.uniform());
        expect(isValid(JSON.parse(text)), text).toBe(true);
        expect(grammar.admits(text), text).toBe(true);
      }
    }),
    { numRuns: 100 },
  );
});

test("a changed text is admitted only if the schema admits its value", () => {
  const change = fc.tuple(fc.nat(), fc.constantFrom("", "0", "1", "a", '"', ",", "}", "]", " ", "-", ".5"));
  fc.assert(
    fc.property(jsonSchemas, fc.array(change, { minLength: 5 }), ({ schema, values }, changes) => {
      const grammar = grammarOf(schema);
      const isValid = validator(schema);
      for (const value of values) {
        for (const [at, insert] of changes) {
          const text = JSON.stringify(value);
          const cut = at % (text.length + 1);
          const changed = text.slice(0, cut) + insert + text.slice(cut + (at % 2));
          if (grammar.admits(changed)) expect(isValid(JSON.parse(changed)), changed).toBe(true);
        }
      }
    }),
    { numRuns: 100 },
  );
});

describe("what is admitted", () => {
  const tree = {
    $ref: "#/$defs/node",
    $defs: {
      node: {
        type: "object",
        properties: { value: { type: "integer" }, children: { type: "array", items: { $ref: "#/$defs/node" } } },
        required: ["value", "children"],
        additionalProperties: false,
      },
    },
  };
  const shape = {
    oneOf: [
      { type: "object", properties: { kind: { const: "circle" }, r: { type: "number" } }, required: ["kind", "r"] },
      { type: "object", properties: { kind: { const: "dot" } }, required: ["kind"] },
    ],
  };
  const named = { allOf: [{ properties: { a: { type: "string" } }, required: ["a"] }, { properties: { b: {} } }] };
  const extra = { type: "object", properties: { ab: { type: "null" } }, additionalProperties: { type: "integer" } };
  test.each<[unknown, readonly string[], readonly string[]]>([
    [tree, ['{"value":1,"children":[{"value":-2,"children":[]}]}'], ['{"value":1}', '{"value":1,"children":[{}]}']],
    [shape, ['{"kind":"circle","r":0.5}', '{"kind":"dot"}'], ['{"kind":"circle"}', '{"kind":"dot","r":1}']],
    [named, ['{"a":"x"}', '{"a":"x","b":[]}'], ['{"b":1}', '{"a":1}', '{"b":1,"a":"x"}']],
    [extra, ["{}", '{"a":1}', '{"abc":1,"":2}', '{"ab":null,"b":1}'], ['{"ab":1}', '{"a":null}', '{"a":1,"ab":null}']],
    [{ type: "array", prefixItems: [{ type: "null" }, { const: 1 }] }, ["[null, 1]"], ["[]", "[null]", "[null,1,2]"]],
    [{ prefixItems: [{ const: 0 }], items: { const: 1 }, maxItems: 3 }, ["[0]", "[0,1,1]"], ["[0,1,1,1]", "[1]"]],
    [{ type: "array", maxItems: 0 }, ["[]", "[ ]"], ["[1]"]],
    [{ type: ["string", "null"], maxLength: 2 }, ["null", '"ab"', '"\\ud83d\\ude00b"'], ['"abc"', "1", '"\\ud83d"']],
    [{ type: "string" }, ['"\u007f\u2028"', '"\\u0000\\/"'], ['"\u0000"', '"\n"', '"\\x"', '"\\ud800"']],
    [{ type: "string", nullable: true }, ["null", '""'], ["1"]],
    [{ type: "string", enum: ["a", 1] }, ['"a"'], ["1"]],
    [{ enum: [1, 5, 9], minimum: 2, exclusiveMaximum: 9 }, ["5"], ["1", "9"]],
    [{ const: { a: [1, { b: 2 }] } }, ['{"a": [1, {"b": 2}]}', '{"a":[1,{"b":2}]}'], ['{"a":[1]}', "{}"]],
    [{ type: "number", minimum: 0, maximum: 1 }, ["0", "1", "0.5", "1.0"], ["1.1", "-0.1", "2", "1e0", "00"]],
    [{ type: "number", exclusiveMinimum: 0 }, ["0.1", "1", "12.5"], ["0", "0.0", "-1"]],
    [{ type: "number", minimum: -2.25, exclusiveMaximum: -0.5 }, ["-2.25", "-0.51", "-1"], ["-0.5", "-2.26", "-3"]],
    [{ type: "integer", exclusiveMinimum: 5, maximum: 7.5 }, ["6", "7"], ["5", "8", "6.0"]],
    [{ type: "string", pattern: "^[A-Z]{2}-\\d+$" }, ['"AB-12"'], ['"ab-1"', '"AB-"', '"AB-1 "']],
    [{ type: "string", pattern: "b" }, ['"abc"', '"b"'], ['"ac"', '""']],
    [{ type: "string", pattern: '^["\\\\\\n]$' }, ['"\\""', '"\\\\"', '"\\n"'], ['"n"', '"""']],
    [{ type: "string", pattern: "^(?:ab|c)?$", maxLength: 2 }, ['""', '"ab"', '"c"'], ['"abc"']],
    [{ type: "string", format: "date" }, ['"2024-02-29"'], ['"2023-02-29"', '"2024-13-01"', '"2024-1-1"']],
    [
      { type: "string", format: "date-time" },
      ['"2024-02-29T23:59:59.5+02:00"'],
      ['"2024-02-29"', '"2024-02-29T24:00:00Z"'],
    ],
    [{ type: "string", format: "uuid" }, ['"0d3c6a0e-2f49-4c59-8d65-cb4b7b3df3a0"'], ['"0d3c6a0e"']],
    [{ minLength: 1 }, ['"a"'], ['""', "1"]],
    [{ items: [{ const: 1 }, true], additionalItems: false }, ["[1,2]"], ["[1]", "[1,2,3]"]],
    [{ items: [{ const: 1 }], additionalItems: { const: 2 }, minItems: 2 }, ["[1,2]", "[1,2,2]"], ["[1]", "[1,1]"]],
    [{ items: { const: 1 }, additionalItems: false, minItems: 1 }, ["[1]", "[1,1]"], ["[]"]],
    [{ $ref: "#/$defs/a", nullable: true, $defs: { a: { const: 1 } } }, ["1", "null"], ["2"]],
    [{ anyOf: [{ const: 1 }, { const: 2 }], nullable: true }, ["1", "null"], ["3"]],
    [
      { type: "integer", minimum: 1, exclusiveMinimum: true, maximum: 3, exclusiveMaximum: false },
      ["2", "3"],
      ["1", "4"],
    ],
    [{ type: "number", minimum: -3.4e38, maximum: 3.4e38 }, ["-1.5"], ["1e9"]],
    [
      { properties: { a: { items: { const: 1 }, minItems: 1 }, "a.items": { const: 2 } } },
      ['{"a":[1],"a.items":2}'],
      [],
    ],
    [{ type: "object", unevaluatedProperties: false }, ["{}"], ['{"a":1}']],
    [{ type: "object", propertyNames: { enum: ["b", 1] }, properties: { a: {}, b: {} } }, ['{"b":1}'], ['{"a":1}']],
    [{ $ref: "#spot", $defs: { a: { $anchor: "spot", const: 1 }, b: { const: { $anchor: "spot" } } } }, ["1"], ["2"]],
    [true, ["1", "[]", '"x"', "-0.5e10"], ["", "01", "nul", "'x'"]],
  ])("%j", (schema, yes, no) => {
    const grammar = grammarOf(schema);

    for (const text of yes) expect(grammar.admits(text), text).toBe(true);
    for (const text of no) expect(grammar.admits(text), text).toBe(false);
  });

  test("bounds far beyond one repetition are kept exactly", () => {
    const grammar = grammarOf({ type: "string", minLength: 1500, maxLength: 3400 });

    for (const [length, isAdmitted] of [
      [1499, false],
      [1500, true],
      [2999, true],
      [3000, true],
      [3400, true],
      [3401, false],
    ] as const) {
      expect(grammar.admits(`"${"a".repeat(length)}"`), String(length)).toBe(isAdmitted);
    }
  });

  test("white space is bounded", () => {
    const grammar = new GbnfGrammar(gbnfOf(ANY_JSON_OBJECT));

    expect(grammar.admits(`{\n${" ".repeat(40)}"a": 1\n}`)).toBe(true);
    expect(grammar.admits(`{\n${" ".repeat(41)}"a": 1\n}`)).toBe(false);
    expect(grammar.admits('{\n\n"a": 1}')).toBe(false);
  });

  test("a hundred optional properties are linear in size", () => {
    const names = Array.from({ length: 100 }, (_, index) => `property${index}`);
    const properties = Object.fromEntries(names.map((name) => [name, { type: "null" }]));
    const text = grammarOfJsonSchema({ type: "object", properties, additionalProperties: false }, "schema");

    expect(text.length).toBeLessThan(30_000);
    expect(new GbnfGrammar(text).admits('{"property3": null, "property99": null}')).toBe(true);
    expect(new GbnfGrammar(text).admits('{"property3": null, "property2": null}')).toBe(false);
  });
});

describe("what is refused, with the path to it", () => {
  const deep = (depth: number): unknown => (depth === 0 ? {} : { items: deep(depth - 1) });
  const twoObjects = { oneOf: [{ type: "object" }, { type: "object", properties: { a: {} } }] };
  test.each<[unknown, string, RegExp]>([
    [{ properties: { x: { not: { const: 1 } } } }, "schema.properties.x.not", /no answer can be held to this keyword/],
    [{ items: { uniqueItems: true } }, "schema.items.uniqueItems", /no answer can be held/],
    [{ $defs: { a: { if: {} } }, $ref: "#/$defs/a" }, "schema.$defs.a.if", /no answer can be held/],
    [{ typ: "string" }, "schema.typ", /no answer can be held/],
    [{ type: "text" }, "schema.type", /expected one of null, boolean/],
    [{ anyOf: [{}, 5] }, "schema.anyOf.1", /expected a schema/],
    [{ anyOf: [] }, "schema.anyOf", /at least one schema/],
    [{ items: [{}], prefixItems: [] }, "schema.items", /expected one schema beside prefixItems/],
    [{ prefixItems: {} }, "schema.prefixItems", /expected an array of schemas/],
    [{ $ref: "#/$defs/none" }, "schema.$ref", /leads nowhere/],
    [{ $ref: "other.json" }, "schema.$ref", /is not within this schema/],
    [{ $ref: "#" }, "schema", /refers to itself/],
    [{ allOf: [{ $ref: "#" }] }, "schema", /refers to itself/],
    [twoObjects, "schema.oneOf.1", /may fit this and schema.oneOf.0 too/],
    [{ type: "string", format: "colour" }, "schema.format", /expected one of date, time/],
    [{ pattern: "(?=a)" }, "schema.pattern", /looks ahead or behind/],
    [{ pattern: "a$b" }, "schema.pattern", /"\$" that is not at its end/],
    [{ pattern: "(a" }, "schema.pattern", /lacks a "\)" for its "\(" \(character 1\)/],
    [{ pattern: "^(ab$" }, "schema.pattern", /lacks a "\)" for its "\(" \(character 2\)/],
    [{ pattern: "^(a(b)$" }, "schema.pattern", /lacks a "\)" for its "\(" \(character 2\)/],
    [{ pattern: "^(ab$)" }, "schema.pattern", /"\$" that is not at its end; put the anchors outside the group/],
    [{ pattern: "春)" }, "schema.pattern", /has a "\)" too many \(character 2\)/],
    [{ pattern: "(a?)*" }, "schema.pattern", /may be empty/],
    [{ pattern: "\\p{L}" }, "schema.pattern", /has a \\p/],
    [{ pattern: "^abc$", maxLength: 2 }, "schema", /the lengths beside a pattern cannot be honoured/],
    [{ pattern: "^[ab]{2}$", minLength: 3 }, "schema", /the lengths beside a pattern cannot be honoured/],
    [{ type: "integer", minimum: 2, maximum: 1 }, "schema", /no value can satisfy it/],
    [{ type: "object", required: ["a"], additionalProperties: false }, "schema", /no value can satisfy it/],
    [{ enum: [1], type: "string" }, "schema", /no value can satisfy it/],
    [false, "schema", /no value can satisfy it/],
    [{ properties: { a: {} }, propertyNames: { pattern: "a" } }, "schema.propertyNames", /only where it lists names/],
    [{ patternProperties: { a: {}, b: {} } }, "schema.patternProperties", /only as one pattern/],
    [{ exclusiveMinimum: "1" }, "schema.exclusiveMinimum", /expected a number/],
    [deep(200), `schema${".items".repeat(100)}`, /nests objects and arrays deeper than 100/],
  ])("%j", (schema, path, message) => {
    const [, said, param] = refused(schema);

    expect(param).toBe(path);
    expect(said).toMatch(message);
    expect(said.startsWith(`${path}: `)).toBe(true);
  });

  /** On a busy machine; what is to be found here took half a minute, or all memory. */
  const SOON_MS = 4_000;
  const many = (count: number, schemaOf: (index: number) => unknown): readonly unknown[] =>
    Array.from({ length: count }, (_, index) => schemaOf(index));
  const properties = (count: number, schemaOf: (index: number) => unknown): object =>
    Object.fromEntries(many(count, (index) => [`p${index}`, schemaOf(index)] as const) as [string, unknown][]);
  const clashing = (keyword: string): unknown => ({
    anyOf: many(22, (index) => ({ properties: properties(30, (each) => ({ [keyword]: [index * each, 1] })) })),
  });
  test.each<[string, unknown, RegExp]>([
    ["a pattern of a megabyte", { pattern: "a?".repeat(500_000) }, /more than 524288 characters/],
    ["a long pattern", { pattern: "a|".repeat(10_000) }, /the pattern has more than 16384 characters/],
    ["an endless escape", { pattern: `\\u{${"1".repeat(10_000)}}` }, /the escape "1{7}", which is no character/],
    ["a name of a megabyte", { properties: { ["n".repeat(1_000_000)]: {} } }, /a name of more than 1000 characters/],
    ["a reference of a kilobyte", { $ref: `#/${"x".repeat(4_000)}` }, /"#\/x+…x+" leads nowhere/],
    ["20 000 required names", { required: many(20_001, (index) => `r${index}`) }, /more than 20000 values/],
    ["4 000 required names", { required: many(4_000, (index) => `r${index}`) }, /^$/],
    ["a deep constant", { const: JSON.parse("[".repeat(900) + "]".repeat(900)) }, /nested deeper than 400 levels/],
    [
      "every alternative with every other",
      { allOf: [clashing("enum"), clashing("enum")] },
      /combines too many|too large/,
    ],
    [
      "two long lists",
      { enum: many(9_000, (each) => each), allOf: [{ enum: many(9_000, (each) => `${each}`) }] },
      /no value/,
    ],
    ["500 alternatives that exclude each other", { oneOf: many(500, (each) => ({ const: each })) }, /^$/],
  ])("%s is read or refused soon, in a message of bounded length", (_name, schema, message) => {
    const startedMs = performance.now();
    const said = refusedOrNot(schema);

    expect(said).toMatch(message);
    expect(said.length).toBeLessThan(2_500);
    expect(performance.now() - startedMs).toBeLessThan(SOON_MS);
  });

  test("a schema that multiplies out too far", () => {
    const three = { anyOf: [{ const: 1 }, { const: 2 }, {}] };

    expect(refused({ allOf: Array.from({ length: 12 }, () => three) })[1]).toMatch(/more than 500 alternatives/);
  });

  test("a schema whose grammar would be too large", () => {
    const properties = Object.fromEntries(
      Array.from({ length: 200 }, (_, index) => [`p${index}`, { type: "string", maxLength: 500 + index }]),
    );

    expect(refused({ properties })[1]).toMatch(/too large for a grammar/);
  });
});
