import type { Chat } from "../continuation/input.ts";
import { ANY_JSON_OBJECT, type AnswerShape, gbnfOf, type SchemaShape } from "../continuation/shape.ts";
import { ServiceError } from "../errors.ts";
import { fieldsWithoutEffect } from "./ignored.ts";
import { type Fields, invalid, readBoolean, readObject, readString } from "./parameters.ts";
import type { Dialect } from "./protocol.ts";

/** What the text of an answer is held to: `response_format` on the chat wires, and GBNF in llama-server's `grammar`. */
export interface Held {
  /** Absent: to nothing. */
  readonly shape?: AnswerShape;
  /** The field that asked for it. */
  readonly field: "grammar" | "response_format";
}

/** Bytes. Grammars of people are far smaller; a larger one costs memory in the engine. */
const MAX_GRAMMAR_BYTES = 64 * 1024;

/** GBNF as it is; `""` is none. The engine is the one that can read it. For the OpenAI dialect. */
export function readGrammar(fields: Fields): Held {
  const grammar = readString(fields, "grammar") ?? "";
  if (Buffer.byteLength(grammar) > MAX_GRAMMAR_BYTES) {
    throw invalid("grammar", `Range of grammar length should be [0, ${MAX_GRAMMAR_BYTES}] bytes`);
  }
  return { field: "grammar", ...(grammar === "" ? {} : { shape: { gbnf: grammar } }) };
}

/**
 * `response_format`, or in the OpenAI dialect `grammar` instead of it. On DashScope paths a format goes with a new
 * answer only, and `json_object` needs the word "json" in a message (docs/wire.md 2.2.1, 4.3); in the OpenAI dialect the
 * grammar goes on over the assistant prefix.
 */
export function readAnswerShape(fields: Fields, chat: Chat, dialect: Dialect): Held {
  const format = readFormat(fields, chat, dialect);
  if (dialect === "dashscope") return format;
  const own = readGrammar(fields);
  if (own.shape === undefined) return format;
  if (format.shape === undefined) return own;
  throw invalid("grammar", "grammar and response_format cannot be used together; leave one of them out.");
}

/** Fields within `response_format` without effect. `strict` has its effect always. */
export function ignoredFormatFields(fields: Fields, at: string): string[] {
  const format = readObject(fields, "response_format") ?? {};
  const described = format["type"] === "json_schema" ? (readObject(format, "json_schema") ?? {}) : {};
  return [
    ...fieldsWithoutEffect(format, new Set(["type", "json_schema"]), {}, `${at}.`),
    ...fieldsWithoutEffect(described, DESCRIBED, {}, `${at}.json_schema.`),
  ];
}

const DESCRIBED = new Set(["name", "description", "schema", "strict"]);

function readFormat(fields: Fields, chat: Chat, dialect: Dialect): Held {
  const field = "response_format";
  const format = readObject(fields, field);
  const type = format?.["type"] ?? "text";
  if (format === undefined || type === "text") return { field };
  if (type !== "json_object" && type !== "json_schema") {
    throw invalid(field, 'response_format.type should be one of ["text", "json_object", "json_schema"]');
  }
  if (dialect === "dashscope" && chat.assistantPrefix !== undefined) {
    throw invalid(field, "response_format is not supported with partial");
  }
  if (type === "json_schema") return { field, shape: readSchema(format) };
  if (dialect === "dashscope" && !mentionsJson(chat)) {
    throw invalid(
      "messages",
      "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
    );
  }
  if ((format["schema"] ?? undefined) !== undefined) {
    throw new ServiceError(
      "unsupported_input",
      'response_format of type "json_object" takes no schema; put it into {"type": "json_schema", "json_schema": {"name": …, "schema": …}}.',
      { param: "response_format.schema" },
    );
  }
  return { field, shape: ANY_JSON_OBJECT };
}

/** Schemas that no answer can be held to are refused here, whoever is to answer. */
function readSchema(format: Fields): SchemaShape {
  const described = readObject(format, "json_schema");
  const path = "response_format.json_schema";
  if (described === undefined) throw invalid(path, `${path} is required with the type "json_schema"`);
  readString(described, "name");
  readBoolean(described, "strict");
  const schema = described["schema"] ?? undefined;
  if (schema === undefined) throw invalid(`${path}.schema`, `${path}.schema is required: a JSON Schema`);
  const shape = { schema, path: `${path}.schema` };
  gbnfOf(shape);
  return shape;
}

function mentionsJson({ messages }: Chat): boolean {
  return messages.some(({ content }) => content.some((part) => "text" in part && /json/i.test(part.text)));
}
