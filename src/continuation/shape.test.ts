import { expect, test } from "vitest";
import { GbnfGrammar } from "../../test/support/gbnf.ts";
import { refusal } from "../../test/support/protocol-call.ts";
import { ANY_JSON_OBJECT, gbnfOf, type SchemaShape } from "./shape.ts";

test("a grammar is itself", () => {
  expect(gbnfOf({ gbnf: "root ::= anything, wrong or right" })).toBe("root ::= anything, wrong or right");
});

test("a schema is the grammar of what it admits", () => {
  const grammar = new GbnfGrammar(gbnfOf({ schema: { enum: ["yes", 7] }, path: "schema" }));

  expect(['"yes"', "7", '"no"'].map((text) => grammar.admits(text))).toEqual([true, true, false]);
});

test("a schema is read once, however often its grammar is asked for", () => {
  let reads = 0;
  const shape: SchemaShape = {
    schema: {
      get type() {
        reads += 1;
        return "string";
      },
    },
    path: "schema",
  };
  const grammar = gbnfOf(shape);
  const before = reads;

  expect(gbnfOf(shape)).toBe(grammar);
  expect([before > 0, reads]).toEqual([true, before]);
});

test("a schema that no answer can be held to is refused every time, with its place", () => {
  const shape = { schema: { type: "integer", multipleOf: 2 }, path: "response_format.schema" };
  const refused = ["unsupported_input", expect.any(String), "response_format.schema.multipleOf"];

  expect([refusal(() => gbnfOf(shape)), refusal(() => gbnfOf(shape))]).toEqual([refused, refused]);
});

test("any JSON object is an object and nothing else", () => {
  const grammar = new GbnfGrammar(gbnfOf(ANY_JSON_OBJECT));

  expect(['{"a": [1]}', "[]", "null"].map((text) => grammar.admits(text))).toEqual([true, false, false]);
});
