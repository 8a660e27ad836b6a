import { excerpt, ServiceError } from "../../errors.ts";

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
  return { schema, path: `${path}.${keyword}` };
}

/** The schema is malformed at `path`. @param expected goes on after "path: ". */
export function malformed(path: string, expected: string): ServiceError {
  const place = shortened(path);
  return new ServiceError("invalid_parameter", `${place}: ${expected}.`, { param: place });
}

/** The schema says something that no grammar of ours expresses. */
export function unsupported(path: string, why: string): ServiceError {
  const place = shortened(path);
  return new ServiceError("unsupported_input", `${place}: ${why}.`, { param: place });
}

/** UTF-16 units of each end of a path that messages keep. */
const END = 400;

/** Names of properties are the caller's, and as long as they like. */
function shortened(path: string): string {
  if (path.length <= 2 * END) return path;
  return `${path.slice(0, END)}…${path.slice(-END)}`;
}

/**
 * Follows a `$ref` within the document (a JSON Pointer, RFC 6901, after `#`).
 *
 * @param at where the `$ref` stands.
 */
export function resolve(root: Position, reference: unknown, at: string): Position {
  if (typeof reference !== "string") throw malformed(at, "expected a string");
  const isPointer = reference === "#" || reference.startsWith("#/");
  if (!isPointer) throw unsupported(at, `"${excerpt(reference)}" is not within this schema; use "#" or "#/$defs/NAME"`);
  let position = root;
  for (const segment of reference.split("/").slice(1)) {
    const name = unescaped(segment);
    const { schema } = position;
    const isThere = typeof schema === "object" && schema !== null && name !== undefined && Object.hasOwn(schema, name);
    if (!isThere) throw malformed(at, `"${excerpt(reference)}" leads nowhere`);
    position = below(position, name, (schema as SchemaObject)[name]);
  }
  return position;
}

/** Undefined: not a well-formed segment. */
function unescaped(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment).replaceAll("~1", "/").replaceAll("~0", "~");
  } catch {
    // A lone percent sign; the caller reports it.
    return undefined;
  }
}
