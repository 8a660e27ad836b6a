import { grammarOfJsonSchema } from "./json-schema/grammar.ts";

/** What the whole text of an answer matches, an assistant prefix included. Each engine makes of it what it can take. */
export type AnswerShape = GbnfShape | SchemaShape;

/** As the caller wrote it: only the engine that reads it knows whether it is right. */
export interface GbnfShape {
  /** With a rule `root`. */
  readonly gbnf: string;
}

/** A JSON value that a JSON Schema admits; `gbnfOf` takes it, or it is in no request. */
export interface SchemaShape {
  readonly schema: unknown;
  /** Where the schema stands in what the caller sent. */
  readonly path: string;
}

export const ANY_JSON_OBJECT: SchemaShape = { schema: { type: "object" }, path: "" };

/** Made once for each shape: a protocol asks whether there is one, and an engine for the grammar itself. */
const grammars = new WeakMap<SchemaShape, string>();

/**
 * The shape as GBNF with a rule `root`.
 *
 * @throws ServiceError as `grammarOfJsonSchema` does.
 */
export function gbnfOf(shape: AnswerShape): string {
  if ("gbnf" in shape) return shape.gbnf;
  const grammar = grammars.get(shape) ?? grammarOfJsonSchema(shape.schema, shape.path);
  grammars.set(shape, grammar);
  return grammar;
}
