import { isSchemaObject, type Position, unsupported } from "./position.ts";

/** What one schema may cost. It comes from a caller, and while it is read nobody else is served. */

/** Most entries of all objects and arrays. */
const MAX_PARTS = 20_000;
/** UTF-16 units of one property name or keyword, and of all of them together. */
const LONGEST_NAME = 500;
const MAX_NAMES = 100_000;
/** Schemas read, and alternatives merged. */
const MAX_STEPS = 1_000_000;

/** Throws `unsupported_input` for a document that is too large to look at. */
export function checkSize({ schema, path }: Position): void {
  let [parts, names] = [0, 0];
  const open = [schema];
  while (open.length > 0) {
    const [keys, values] = entriesOf(open.pop());
    parts += values.length;
    names += keys.reduce((sum, key) => sum + key.length, 0);
    if (parts > MAX_PARTS) throw unsupported(path, `has more than ${MAX_PARTS} keywords, properties and listed values`);
    if (names > MAX_NAMES) throw unsupported(path, `has property names of more than ${MAX_NAMES} characters together`);
    if (keys.some((key) => key.length > LONGEST_NAME)) {
      throw unsupported(path, `has a property name of more than ${LONGEST_NAME} characters`);
    }
    for (const value of values) open.push(value);
  }
}

function entriesOf(value: unknown): readonly [keys: readonly string[], values: readonly unknown[]] {
  if (Array.isArray(value)) return [[], value];
  return isSchemaObject(value) ? [Object.keys(value), Object.values(value)] : [[], []];
}

/** Counts the work on one schema, since a few lines of `$ref` and `allOf` can ask for any amount of it. */
export class Steps {
  readonly #root: Position;
  #taken = 0;

  constructor(root: Position) {
    this.#root = root;
  }

  /** Throws `unsupported_input` when that makes too many. */
  take(count: number): void {
    this.#taken += count;
    if (this.#taken > MAX_STEPS) {
      throw unsupported(this.#root.path, "combines too many schemas; describe less, or repeat less");
    }
  }
}
