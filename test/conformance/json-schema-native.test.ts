/** Grammars made from schemas: they load, here and in llama.cpp, take the values of the schema token by token, and end. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { grammarOfJsonSchema } from "../../src/continuation/json-schema/grammar.ts";
import { ANY_JSON_OBJECT, gbnfOf } from "../../src/continuation/shape.ts";
import { openGrammar } from "../../src/engines/llama/pick/grammar.ts";
import { jsonSchemas } from "../support/json-schemas.ts";
import { NativeGrammars } from "../support/native-grammar.ts";
import { loadNativeTiny } from "../support/tiny-scheduler.ts";

const { api, model, vocabulary } = await loadNativeTiny();
const natives = new NativeGrammars(api, model.pointer);
const END = vocabulary.ids.get("<|endoftext|>") ?? Number.NaN;

/** The grammar takes the text, and lets it end there. */
function takes(source: string, text: string): boolean {
  const grammar = openGrammar(source, model.pieces, [END]);
  for (const id of model.encode({ text })) {
    if (!grammar.allows(id)) return false;
    grammar.accept(id);
  }
  return grammar.allows(END);
}

test("values of any schema are taken whole, and unfinished ones are not", () => {
  fc.assert(
    fc.property(jsonSchemas, ({ schema, values }) => {
      const source = grammarOfJsonSchema(schema, "schema");
      openGrammar(source, model.pieces, [END]);
      for (const value of values) {
        const text = JSON.stringify(value);
        expect(takes(source, text), text).toBe(true);
        expect(takes(source, JSON.stringify(value, null, 2)), text).toBe(true);
        expect(takes(source, `${text} `), text).toBe(false);
      }
    }),
    { numRuns: 60 },
  );
});

test.each<[unknown]>([
  [{ type: "string", minLength: 1500, maxLength: 1_000_000 }],
  [
    {
      type: "array",
      items: { type: "array", items: { type: "integer", minimum: -7, maximum: 12_345 }, maxItems: 1500 },
    },
  ],
  [{ type: "object", properties: { ["n".repeat(300)]: {} }, additionalProperties: { type: "null" } }],
  [{ enum: ["(".repeat(300)] }],
  [{ type: "string", pattern: `^${"(".repeat(50)}a${")".repeat(50)}$` }],
  [{ type: "number", minimum: -123456789.123, exclusiveMaximum: 0.00123 }],
  ...["date", "time", "date-time", "duration", "uuid", "email", "hostname", "ipv4", "ipv6", "uri"].map(
    (format): [unknown] => [{ type: "string", format }],
  ),
])("%j loads", (schema) => {
  const source = grammarOfJsonSchema(schema, "schema");
  const native = natives.load(source);
  native?.free();

  expect(() => openGrammar(source, model.pieces, [END])).not.toThrow();
  expect(native).toBeDefined();
});

test("json_object takes an object and nothing before, after or instead of it", () => {
  const source = gbnfOf(ANY_JSON_OBJECT);

  expect(takes(source, '{"a": [1, {"b": "春\\n"}], "c": null}')).toBe(true);
  for (const text of ["[1]", ' {"a": 1}', '{"a": 1}\n', '{"a": 1', '{"a": 01}', ""]) {
    expect(takes(source, text), text).toBe(false);
  }
});
