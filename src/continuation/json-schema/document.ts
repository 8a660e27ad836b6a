import { below, isSchemaObject, malformed, type Position, type SchemaObject, shown, unsupported } from "./position.ts";

/** Keywords whose values are no schemas. */
const DATA = new Set(["const", "enum", "default", "examples", "example"]);

/** A whole schema: what its references lead to. */
export class Document {
  readonly root: Position;
  /** By the names that schemas give themselves. */
  #named: ReadonlyMap<string, Position> | undefined;

  constructor(root: Position) {
    this.root = root;
  }

  /**
   * Follows a `$ref`: a JSON Pointer (RFC 6901) after `#`, or the `$id` or `#` and the `$anchor` of a schema in the document.
   *
   * @param at where the `$ref` stands.
   */
  resolve(reference: unknown, at: string): Position {
    if (typeof reference !== "string") throw malformed(at, "expected a string");
    if (reference === "#" || reference.startsWith("#/")) return this.#pointedTo(reference, at);
    this.#named ??= namedIn(this.root);
    const named = this.#named.get(reference);
    if (named !== undefined) return named;
    throw unsupported(at, `"${shown(reference)}" is not within this schema; use "#" or "#/$defs/NAME"`);
  }

  #pointedTo(reference: string, at: string): Position {
    let position = this.root;
    for (const segment of reference.split("/").slice(1)) {
      const name = unescaped(segment);
      const { schema } = position;
      const isThere =
        typeof schema === "object" && schema !== null && name !== undefined && Object.hasOwn(schema, name);
      if (!isThere) throw malformed(at, `"${shown(reference)}" leads nowhere`);
      position = below(position, name, (schema as SchemaObject)[name]);
    }
    return position;
  }
}

/** The first of a name counts. */
function namedIn(root: Position): ReadonlyMap<string, Position> {
  const named = new Map<string, Position>();
  const todo = [root];
  for (let position = todo.pop(); position !== undefined; position = todo.pop()) {
    for (const name of namesOf(position.schema)) if (!named.has(name)) named.set(name, position);
    todo.push(...innerOf(position).reverse());
  }
  return named;
}

function namesOf(schema: unknown): readonly string[] {
  const { $id: id, $anchor: anchor } = isSchemaObject(schema) ? schema : {};
  return [...(typeof id === "string" ? [id] : []), ...(typeof anchor === "string" ? [`#${anchor}`] : [])];
}

function innerOf(position: Position): Position[] {
  const { schema } = position;
  if (typeof schema !== "object" || schema === null) return [];
  const inner = Object.entries(schema).filter(([keyword]) => !DATA.has(keyword));
  return inner.map(([keyword, each]) => below(position, keyword, each));
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
