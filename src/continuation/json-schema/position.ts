import { ServiceError } from "../../errors.ts";

/** A schema and where it stands, as the caller would point to it: `response_format.json_schema.schema.properties.x`. */
export interface Position {
  readonly schema: unknown;
  readonly path: string;
}

export type SchemaObject = Readonly<Record<string, unknown>>;

export function isSchemaObject(value: unknown): value is SchemaObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What stands under a keyword of the schema. */
export function below({ path }: Position, keyword: string, schema: unknown): Position {
  // Two places must not have one path: they are told apart by it.
  const isPlain = !/[.[\]"]/.test(keyword);
  return { schema, path: isPlain ? `${path}.${keyword}` : `${path}[${JSON.stringify(keyword)}]` };
}

/** Most characters of a place or a name that a message repeats. */
const MAX_SHOWN = 1_000;

/** As messages name it: long ones lose their middle. */
export function shown(text: string): string {
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN / 2)}…${text.slice(-MAX_SHOWN / 2)}`;
}

/** The schema is malformed at `path`. @param expected goes on after "path: ". */
export function malformed(path: string, expected: string): ServiceError {
  return new ServiceError("invalid_parameter", `${shown(path)}: ${expected}.`, { param: shown(path) });
}

/** The schema says something that no grammar of ours expresses. */
export function unsupported(path: string, why: string): ServiceError {
  return new ServiceError("unsupported_input", `${shown(path)}: ${why}.`, { param: shown(path) });
}
