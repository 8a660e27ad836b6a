import { type Position, unsupported } from "./position.ts";

/** Most values of a schema, everything in it counted: a grammar is made while others wait. */
const MAX_VALUES = 20_000;

/** Most characters of all names and texts in a schema. */
const MAX_CHARACTERS = 512 * 1024;

/** Longest name of a property, characters. */
const MAX_NAME = 1_000;

/** Deepest nesting of the document itself: schemas nest less, and constants seldom. */
const MAX_DEPTH = 400;

/** Refuses a schema that is too large to be looked at. */
export function checkSize({ schema, path }: Position): void {
  let values = 0;
  let characters = 0;
  let level: readonly unknown[] = [schema];
  for (let depth = 0; level.length > 0; depth += 1) {
    const names = level.flatMap(namesIn);
    const long = names.find((name) => name.length > MAX_NAME);
    if (long !== undefined) {
      throw unsupported(path, `has a name of more than ${MAX_NAME} characters, "${long.slice(0, 40)}…"`);
    }
    const texts = level.filter((value) => typeof value === "string");
    characters += [...names, ...texts].reduce((sum, text) => sum + text.length, 0);
    if (characters > MAX_CHARACTERS) {
      throw unsupported(path, `has more than ${MAX_CHARACTERS} characters of names and texts; describe less`);
    }
    level = level.flatMap((value) => (typeof value === "object" && value !== null ? Object.values(value) : []));
    values += level.length;
    if (values > MAX_VALUES) throw unsupported(path, `has more than ${MAX_VALUES} values; describe less`);
    if (depth > MAX_DEPTH) throw unsupported(path, `is nested deeper than ${MAX_DEPTH} levels`);
  }
}

function namesIn(value: unknown): readonly string[] {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? Object.keys(value) : [];
}
