/** JSON Schemas as applications write them, each with what it describes. */

const text = (maxLength?: number) => ({ type: "string", ...(maxLength === undefined ? {} : { maxLength }) });
const integer = (minimum: number, maximum: number) => ({ type: "integer", minimum, maximum });
const choice = (...values: readonly unknown[]) => ({ enum: values });
const list = (items: object, minItems: number, maxItems: number) => ({ type: "array", items, minItems, maxItems });
const nullable = (schema: object) => ({ anyOf: [schema, { type: "null" }] });

/** Every property is required and no other allowed, unless `optional` names it. */
function record(properties: Readonly<Record<string, object>>, ...optional: readonly string[]): object {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: "object", properties, required, additionalProperties: false };
}

const address = record({ street: text(40), city: text(40), zip: { type: "string", pattern: "^[0-9]{5}$" } });
const money = record({
  amount: { type: "number", minimum: 0, maximum: 10_000 },
  currency: choice("EUR", "USD", "CNY"),
});

export const WRITTEN_SCHEMAS: readonly { readonly about: string; readonly schema: object }[] = [
  { about: "a person", schema: record({ name: text(40), age: integer(0, 120) }) },
  { about: "a person with an address", schema: record({ name: text(40), address }) },
  { about: "a yes or no answer", schema: record({ answer: { type: "boolean" } }) },
  { about: "a mood of a review", schema: record({ sentiment: choice("positive", "negative", "neutral") }) },
  { about: "a rating with a reason", schema: record({ stars: integer(1, 5), reason: text(80) }) },
  { about: "a price", schema: money },
  { about: "an order", schema: record({ id: { type: "string", pattern: "^ORD-[0-9]{4}$" }, total: money }) },
  { about: "three colours", schema: list(choice("red", "green", "blue", "yellow"), 3, 3) },
  { about: "the names of two rivers", schema: record({ rivers: list(text(30), 2, 2) }) },
  { about: "a birthday", schema: record({ date: { type: "string", format: "date" } }) },
  { about: "a contact", schema: record({ email: { type: "string", format: "email" } }) },
  { about: "a file that may have no owner", schema: record({ path: text(40), owner: nullable(text(20)) }) },
  { about: "a function call", schema: record({ tool: { const: "search" }, query: text(60) }) },
  {
    about: "a shape",
    schema: {
      oneOf: [
        record({ kind: { const: "circle" }, radius: integer(1, 100) }),
        record({ kind: { const: "square" }, side: integer(1, 100) }),
      ],
    },
  },
  { about: "a point", schema: record({ x: { type: "number", minimum: -1, maximum: 1 }, y: { type: "number" } }) },
  { about: "a hexadecimal colour", schema: record({ colour: { type: "string", pattern: "^#[0-9a-f]{6}$" } }) },
  {
    about: "a version",
    schema: record({ version: { type: "string", pattern: "^[0-9]{1,2}\\.[0-9]{1,2}\\.[0-9]{1,2}$" } }),
  },
  {
    about: "a pair of numbers",
    schema: { type: "array", prefixItems: [integer(0, 9), integer(10, 99)], items: false, minItems: 2 },
  },
  { about: "a settings object", schema: record({ debug: { type: "boolean" }, level: integer(0, 3) }, "level") },
  { about: "a table row", schema: record({ cells: list({ type: ["string", "number"], maxLength: 20 }, 1, 3) }) },
  {
    about: "a tree of two levels",
    schema: record({ label: text(20), children: list(record({ label: text(20) }), 0, 2) }),
  },
  { about: "a weekday", schema: choice("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday") },
  { about: "an even digit", schema: choice(0, 2, 4, 6, 8) },
  { about: "a temperature", schema: record({ celsius: { type: "number", minimum: -90, maximum: 60 } }) },
  { about: "一个城市和它的省份", schema: record({ 城市: text(10), 省份: text(10) }) },
  { about: "一首诗的题目和作者", schema: record({ title: text(12), author: text(8) }) },
  {
    about: "a bug report",
    schema: record({ title: text(60), severity: choice("low", "high"), lines: list(integer(1, 999), 1, 3) }),
  },
  {
    about: "a linked value",
    schema: {
      $defs: { leaf: record({ value: integer(0, 9) }) },
      ...record({ left: { $ref: "#/$defs/leaf" }, right: { $ref: "#/$defs/leaf" } }),
    },
  },
  {
    about: "a map of two scores",
    schema: { type: "object", additionalProperties: integer(0, 10) },
  },
  { about: "a user name", schema: { allOf: [text(16), { type: "string", minLength: 3 }] } },
];
