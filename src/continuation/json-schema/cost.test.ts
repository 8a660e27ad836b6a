import { describe, expect, test } from "vitest";
import { refusal } from "../../../test/support/protocol-call.ts";
import { grammarOfJsonSchema } from "./grammar.ts";

const refused = (schema: unknown) => refusal(() => grammarOfJsonSchema(schema, "schema"));
const numbered = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));
const described = (count: number, rest: object = {}) => ({
  type: "object",
  properties: Object.fromEntries(numbered(count, (index) => [`p${index}`, { type: "string" }])),
  ...rest,
});
/** `$defs` of which each says the next one twice. */
const doubling = (keyword: string, count: number, last: unknown) => ({
  $defs: Object.fromEntries([
    ...numbered(count, (index) => {
      const next = { $ref: `#/$defs/d${index + 1}` };
      return [`d${index}`, { [keyword]: [next, next] }];
    }),
    [`d${count}`, last],
  ]),
  $ref: "#/$defs/d0",
});

/** Milliseconds; an idle machine needs a tenth. What these bounds keep out took minutes. */
const BOUND_MS = 5_000;

describe("a schema that would cost too much is refused in time", () => {
  test.each<[string, unknown, string]>([
    ["too many properties", described(25_000), "has more than 20000 values"],
    ["too many listed values", { enum: numbered(25_000, String) }, "has more than 20000 values"],
    ["too many values within values", { const: numbered(25_000, () => []) }, "has more than 20000 values"],
    [
      "lists of values to tell branches from each other",
      { oneOf: numbered(400, (branch) => ({ enum: numbered(47, (index) => `${branch}:${index}`) })) },
      "combines too many schemas",
    ],
    ["schemas doubled by anyOf", doubling("anyOf", 24, { type: "integer" }), "has more than 500 alternatives"],
    [
      "a long name",
      { properties: { ["n".repeat(50_000)]: {} }, additionalProperties: true },
      "has a name of more than 1000 characters",
    ],
  ])("%s", (_case, schema, message) => {
    const startedAt = performance.now();
    const [, said] = refused(schema);

    expect(said).toContain(message);
    expect(performance.now() - startedAt).toBeLessThan(BOUND_MS);
  });
});

describe("a large schema is read in time", () => {
  test.each<[string, unknown]>([
    ["all properties required", described(4_000, { required: numbered(4_000, (index) => `p${index}`) })],
    ["only the first property required", described(4_000, { required: ["p0"] })],
    ["no property required", described(3_000)],
    ["listed values", { enum: numbered(15_000, String) }],
    [
      "two lists of values",
      { allOf: [{ enum: numbered(9_000, (index) => index) }, { enum: numbered(9_000, (index) => index + 1) }] },
    ],
    [
      "many branches told apart by a constant",
      {
        oneOf: numbered(200, (index) => ({
          type: "object",
          properties: { kind: { const: index } },
          required: ["kind"],
        })),
      },
    ],
    [
      "many branches told apart by a list of values",
      { oneOf: numbered(150, (branch) => ({ enum: numbered(47, (index) => `${branch}:${index}`) })) },
    ],
    ["names to tell others from", described(1_500, { additionalProperties: true })],
    ["schemas doubled by allOf", doubling("allOf", 24, described(1))],
  ])("%s", (_case, schema) => {
    const startedAt = performance.now();

    expect(grammarOfJsonSchema(schema, "schema")).toContain("root ::=");
    expect(performance.now() - startedAt).toBeLessThan(BOUND_MS);
  });
});

test("no message grows with the caller's names", () => {
  const path = Object.fromEntries([["n".repeat(499), { properties: { ["m".repeat(499)]: { type: "x" } } }]]);
  const [, said, param = ""] = refused({ properties: path });

  expect(said).toContain("expected one of null, boolean");
  expect(said.length).toBeLessThan(1_200);
  expect(param.length).toBeLessThan(1_100);
  expect(refused({ $ref: `#/${"x".repeat(10_000)}` })[1].length).toBeLessThan(1_200);
});
