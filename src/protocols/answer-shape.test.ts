import { describe, expect, test } from "vitest";
import { GbnfGrammar } from "../../test/support/gbnf.ts";
import { callOf, refusal } from "../../test/support/protocol-call.ts";
import { ANY_JSON_OBJECT, gbnfOf } from "../continuation/shape.ts";
import { generationProtocol } from "./dashscope-generation.ts";
import { chatProtocol } from "./openai-chat.ts";
import { completionsProtocol } from "./openai-completions.ts";
import type { Decoded, Dialect } from "./protocol.ts";

const ask = [{ role: "user", content: "A person as JSON." }];
const open = [...ask, { role: "assistant", content: '{"name": "', partial: true }];
const schema = {
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer", minimum: 0 } },
  required: ["name", "age"],
  additionalProperties: false,
};
const person = { type: "json_schema", json_schema: { name: "person", strict: true, schema } };
const PERSON = '{"name": "Ada", "age": 36}';

const chat = (fields: object, dialect: Dialect = "openai"): Decoded =>
  chatProtocol(dialect).decode({ model: "m", messages: ask, ...fields }, callOf());
const native = (parameters: object, messages: readonly object[] = ask): Decoded =>
  generationProtocol().decode({ model: "m", input: { messages }, parameters }, callOf());
const completions = (fields: object, dialect: Dialect = "openai"): Decoded =>
  completionsProtocol(dialect).decode({ model: "m", prompt: "a", ...fields }, callOf());
const sourceOf = ({ requests }: Decoded): string | undefined => requests[0]?.shape && gbnfOf(requests[0].shape);
const grammarOf = (decoded: Decoded): GbnfGrammar => new GbnfGrammar(sourceOf(decoded) ?? "");

describe.each<[string, (format: object) => Decoded]>([
  ["chat, openai", (response_format) => chat({ response_format })],
  ["chat, dashscope", (response_format) => chat({ response_format }, "dashscope")],
  ["generation", (response_format) => native({ response_format })],
])("response_format on %s", (_, decode) => {
  test("a schema becomes the grammar of the answer, and is not reported as ignored", () => {
    const decoded = decode(person);

    expect(grammarOf(decoded).admits(PERSON)).toBe(true);
    expect(grammarOf(decoded).admits('{"name": "Ada"}')).toBe(false);
    expect(decoded.ignored).toEqual([]);
  });

  test("json_object admits any object and nothing else", () => {
    const grammar = grammarOf(decode({ type: "json_object" }));

    for (const text of ["{}", '{\n  "a": [1, {"b": null}]\n}']) expect(grammar.admits(text), text).toBe(true);
    for (const text of ["[]", "null", "", "{} ", '{"a": 1', "{1: 2}"]) expect(grammar.admits(text), text).toBe(false);
  });

  test("a schema travels as it is, with the place where it stood", () => {
    const path = "response_format.json_schema.schema";

    expect(decode(person).requests[0]?.shape).toEqual({ schema, path });
    expect(decode({ type: "json_object" }).requests[0]?.shape).toBe(ANY_JSON_OBJECT);
  });

  test("text asks for nothing", () => {
    expect(decode({ type: "text" }).requests[0]).not.toHaveProperty("shape");
    expect(decode({}).requests[0]).not.toHaveProperty("shape");
  });

  test("what no answer can be held to is refused with the path to it", () => {
    const property = { ...schema.properties.name, not: { const: "" } };
    const refused = { ...person, json_schema: { schema: { ...schema, properties: { name: property } } } };
    const path = "response_format.json_schema.schema.properties.name.not";

    expect(refusal(() => decode(refused))).toEqual([
      "unsupported_input",
      `${path}: no answer can be held to this keyword; leave it out.`,
      path,
    ]);
  });

  test.each<[object, string]>([
    [{ type: "yaml" }, 'response_format.type should be one of ["text", "json_object", "json_schema"]'],
    [{ type: "json_schema" }, 'response_format.json_schema is required with the type "json_schema"'],
    [
      { type: "json_schema", json_schema: { name: "a" } },
      "response_format.json_schema.schema is required: a JSON Schema",
    ],
    [{ type: "json_schema", json_schema: { name: 1, schema } }, "'name' must be String"],
    [{ type: "json_schema", json_schema: { strict: "yes", schema } }, "'strict' must be Boolean"],
  ])("%j is refused", (format, message) => {
    expect(refusal(() => decode(format)).slice(0, 2)).toEqual(["invalid_parameter", message]);
  });

  test("a schema beside json_object is refused, not lost", () => {
    expect(refusal(() => decode({ type: "json_object", schema }))[1]).toMatch(/takes no schema; put it into/);
  });

  test("an error about the grammar names response_format", () => {
    expect(decode(person).wireName("grammar")).toMatch(/(^|\.)response_format$/);
  });
});

test("a schema is refused before the fields that are read after it", () => {
  const response_format = { ...person, json_schema: { schema: { type: "integer", multipleOf: 2 } } };
  const wrong = { response_format, n: 99, max_tokens: -1, temperature: 9 };

  for (const decode of [() => chat(wrong), () => chat(wrong, "dashscope"), () => native(wrong)]) {
    expect(refusal(decode)[2]).toBe("response_format.json_schema.schema.multipleOf");
  }
});

test("nested fields without effect are reported", () => {
  const json_schema = { ...person.json_schema, color: "red" };

  expect(chat({ response_format: { ...person, foo: 1, json_schema } }).ignored).toEqual([
    "response_format.foo",
    "response_format.json_schema.color",
  ]);
  expect(native({ response_format: { ...person, foo: 1 } }).ignored).toEqual(["parameters.response_format.foo"]);
});

test("the grammar goes on over an assistant prefix in the OpenAI dialect, and is refused with one elsewhere", () => {
  expect(grammarOf(chat({ messages: open, response_format: person })).admits(PERSON)).toBe(true);
  for (const response_format of [person, { type: "json_object" }]) {
    const message = "response_format is not supported with partial";
    expect(refusal(() => chat({ messages: open, response_format }, "dashscope"))[1]).toBe(message);
    expect(refusal(() => native({ response_format }, open))[1]).toBe(message);
  }
});

test("json_object needs the word json in a message on DashScope paths only", () => {
  const messages = [{ role: "user", content: "A person." }];
  const response_format = { type: "json_object" };
  const message =
    "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.";

  expect(refusal(() => chat({ messages, response_format }, "dashscope"))).toEqual([
    "invalid_parameter",
    message,
    "messages",
  ]);
  expect(refusal(() => native({ response_format }, messages))[1]).toBe(message);
  expect(chat({ messages, response_format }).requests[0]?.shape).toBeDefined();
  expect(chat({ messages, response_format: person }, "dashscope").requests[0]?.shape).toBeDefined();
});

describe("grammar", () => {
  const grammar = 'root ::= "yes" | "no"';

  test("goes to the engine as it is, on both /v1 routes", () => {
    for (const decoded of [chat({ grammar }), completions({ grammar })]) {
      expect(decoded.requests[0]?.shape).toEqual({ gbnf: grammar });
      expect(decoded.ignored).toEqual([]);
      expect(decoded.wireName("grammar")).toBe("grammar");
    }
  });

  test("goes to every prompt and every choice", () => {
    const { requests } = completions({ grammar, prompt: ["a", "b"], n: 2, best_of: 3 });

    expect(requests.map((request) => request.shape)).toEqual([{ gbnf: grammar }, { gbnf: grammar }]);
  });

  test("is an unknown field on DashScope paths", () => {
    for (const decoded of [chat({ grammar }, "dashscope"), completions({ grammar }, "dashscope")]) {
      expect(decoded.requests[0]).not.toHaveProperty("shape");
      expect(decoded.ignored).toEqual(["grammar"]);
    }
    expect(native({ grammar }).ignored).toEqual(["parameters.grammar"]);
  });

  test("an empty one is none", () => {
    expect(sourceOf(chat({ grammar: "", response_format: person }))).toContain("root ::=");
    expect(completions({ grammar: "" }).requests[0]).not.toHaveProperty("shape");
  });

  test.each<[object, string]>([
    [{ grammar: 1 }, "'grammar' must be String"],
    [{ grammar: "é".repeat(40_000) }, "Range of grammar length should be [0, 65536] bytes"],
    [
      { grammar, response_format: { type: "json_object" } },
      "grammar and response_format cannot be used together; leave one of them out.",
    ],
  ])("%j is refused", (fields, message) => {
    expect(refusal(() => chat(fields)).slice(0, 3)).toEqual(["invalid_parameter", message, "grammar"]);
  });
});
