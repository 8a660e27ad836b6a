/** Schemas as zod 3 and 4, TypeBox and pydantic 2 write them: answers satisfy them, or the refusal says what cannot be. */
import { readFileSync } from "node:fs";
import { Ajv, type ValidateFunction } from "ajv";
import { Ajv2019 } from "ajv/dist/2019.js";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GbnfGrammar } from "../../../test/support/gbnf.ts";
import { refusal } from "../../../test/support/protocol-call.ts";
import { Random } from "../../../test/support/random.ts";
import { WITHOUT_LOOKING_AHEAD } from "./formats.ts";
import { grammarOfJsonSchema } from "./grammar.ts";

interface Case {
  readonly name: string;
  readonly schema: { readonly $schema?: string };
}

/** The first line says which versions wrote the others. */
const [, ...cases] = readFileSync("test/fixtures/generated-schemas.jsonl", "utf8")
  .trimEnd()
  .split("\n")
  .map((line): Case => JSON.parse(line));

const grammarOf = (schema: unknown): GbnfGrammar => new GbnfGrammar(grammarOfJsonSchema(schema, "schema"));
const schemaOf = (wanted: string): unknown => cases.find(({ name }) => name === wanted)?.schema;

/** By the words in their names. What no grammar can hold an answer to. */
const REFUSED: readonly (readonly [name: RegExp, message: RegExp])[] = [
  [/: (set|uniqueArray|Sets|Frozen)$/, /uniqueItems: no answer can be held to this keyword/],
  [/: (multiple|Con)$/, /multipleOf: no answer can be held to this keyword/],
  [/zod 3.*: two$/, /two patterns for one string cannot both be honoured/],
  [/zod 4.*: (two|jwt)$/, /format: expected one of date, time/],
  [/zod 4.*: emoji$/, /the pattern looks ahead or behind/],
  [/TypeBox: regexp$/, /source: no answer can be held to this keyword/],
  [/TypeBox: not$/, /not: no answer can be held to this keyword/],
];

const refusalOf = ({ name }: Case): RegExp | undefined => REFUSED.find(([names]) => names.test(name))?.[1];

/** Undefined: bounds as in OpenAPI 3.0, which is no JSON Schema. */
function validatorOf({ name, schema }: Case): ValidateFunction | undefined {
  if (/open(api|ai)/i.test(name)) return undefined;
  const dialect = schema.$schema ?? (name.startsWith("TypeBox") ? "draft-07" : "2020-12");
  const Validator = dialect.includes("2020-12") ? Ajv2020 : dialect.includes("2019-09") ? Ajv2019 : Ajv;
  const options = { strict: false, meta: false, validateSchema: false, validateFormats: false } as const;
  return new Validator(options).compile(schema);
}

test.each(cases.filter((each) => refusalOf(each) === undefined))("answers satisfy $name", (each) => {
  const grammar = grammarOf(each.schema);
  const isValid = validatorOf(each);
  const random = new Random(1);

  for (let run = 0; run < 25; run += 1) {
    const text = grammar.sample(() => random.uniform());
    const value: unknown = JSON.parse(text);
    expect(isValid?.(value) ?? true, text).toBe(true);
  }
});

test.each(cases.filter((each) => refusalOf(each) !== undefined))("$name is refused", (each) => {
  expect(refusal(() => grammarOfJsonSchema(each.schema, "schema"))[1]).toMatch(refusalOf(each) ?? "");
});

describe("what is admitted", () => {
  const tree = '{"value":1,"children":[{"value":2,"children":[]}]}';
  test.each<[string, readonly string[], readonly string[]]>([
    ["zod 3, jsonSchema7: tuple", ['["a",1]'], ['["a"]', '["a",1,2]', "[1,1]"]],
    ["zod 3, jsonSchema7: tupleRest", ['["a",1]', '["a",1,true,false]'], ['["a"]', '["a",1,2]']],
    ["zod 4, draft-7: tuple", ['["a",0.5]'], ['["a"]', '["a",1,2]']],
    ["TypeBox: tuple", ['["a",1]'], ['["a",1,2]']],
    ["TypeBox: emptyTuple", ["[]"], ["[1]"]],
    ["zod 4, openapi-3.0: nullable", ['{"a":"x","b":null}', '{"a":null,"b":{"c":""}}'], ['{"a":"z","b":null}']],
    ["zod 3, openApi3: union", ['"a"', "1", "null"], ["true"]],
    ["zod 3, openApi3: numbers", ['{"i":1,"f":0.5,"any":-1e5}'], ['{"i":1,"f":0,"any":1}', '{"i":1,"f":1,"any":1}']],
    ["zod 4: record", ["{}", '{"x":1,"y z":2}'], ['{"x":""}']],
    ["zod 4: partialRecord", ["{}", '{"b":""}', '{"a":"","b":""}'], ['{"c":""}', '{"b":"","b":""}']],
    ["zod 4: enumRecord", ['{"a":"","b":""}'], ["{}", '{"a":""}', '{"a":"","b":"","c":""}']],
    ["zod 4: keyRecord", ["{}", '{"x":1}'], ['{"X":1}', '{"":1}']],
    ["TypeBox: record", ["{}", '{"x y":1}'], ['{"x":true}']],
    ["TypeBox: recordNumber", ['{"0":"a","12":""}'], ['{"01":""}', '{"a":""}']],
    ["TypeBox: recursive", [tree], ['{"value":1}', '{"value":1,"children":[{}]}']],
    ["TypeBox: module", ['{"b":""}'], ['{"b":1}', "{}"]],
    ["TypeBox: never", ["{}"], ['{"a":1}']],
    ["TypeBox: const", ['{"a":1,"b":["x"]}'], ['{"a":1,"b":["x",1]}']],
    ["zod 3, jsonSchema2019-09: intersection", ['{"a":"","b":1}'], ['{"a":"","b":1,"c":1}']],
    ["pydantic 2: Pet", ['{"pet":{"kind":"cat","lives":9}}', '{"pet":{"good":true}}'], ['{"pet":{"kind":"cat"}}']],
    ["pydantic 2: Dicts", ['{"d":{},"e":{"x":[]},"f":{"red":1},"g":{"1":""}}'], ['{"d":{},"e":{},"f":{"x":1},"g":{}}']],
    ["pydantic 2: T", ['{"a":[1,"x"],"b":[1,2,3]}'], ['{"a":[1],"b":[]}']],
    ["pydantic 2.13: Decimal", ['{"d":"-1.50"}', '{"d":2}', '{"d":".5"}'], ['{"d":"."}', '{"d":"1.2.3"}']],
    ["zod 4: xor", ['"ab"', '"abc"'], ['"a"', '"aB"', '""']],
  ])("by %s", (name, yes, no) => {
    const grammar = grammarOf(schemaOf(name));

    for (const text of yes) expect(grammar.admits(text), text).toBe(true);
    for (const text of no) expect(grammar.admits(text), text).toBe(false);
  });
});

test("patterns that stand for those that look ahead match no more than these", () => {
  fc.assert(
    fc.property(fc.constantFrom(...WITHOUT_LOOKING_AHEAD.keys()), fc.integer({ min: 1 }), (pattern, seed) => {
      const random = new Random(seed);
      const text = grammarOf({ type: "string", pattern }).sample(() => random.uniform());

      expect(JSON.parse(text)).toMatch(new RegExp(pattern, "u"));
    }),
  );
});

test("lengths beside a pattern hold, and so does the pattern", () => {
  const patterns = ["^a+b*$", "^(ab|c)*d?$", "x", "^[a-c]{2,5}(-[a-c]{1,9})*$", "^((ab?){0,3}c){1,4}$"];
  fc.assert(
    fc.property(
      fc.constantFrom(...patterns),
      fc.nat(6),
      fc.integer({ min: 15, max: 30 }),
      fc.integer({ min: 1 }),
      (pattern, minLength, maxLength, seed) => {
        const random = new Random(seed);
        const text = grammarOf({ type: "string", pattern, minLength, maxLength }).sample(() => random.uniform());
        const value: unknown = JSON.parse(text);

        expect(value).toMatch(new RegExp(pattern, "u"));
        expect([...String(value)].length).toBeGreaterThanOrEqual(minLength);
        expect([...String(value)].length).toBeLessThanOrEqual(maxLength);
      },
    ),
    { numRuns: 500 },
  );
});
