import type { Limits } from "../continuation/request.ts";
import { invalid, isTokenId } from "./parameters.ts";

type Stops = Pick<Limits, "stopStrings" | "stopSequences">;

const WRONG_SHAPE =
  'The "stop" parameter must be of type "str", "list[str]", "list[int]", or "list[list[int]]", and all elements within the list must be of the same type.';

/** Every piece of text is searched for all of them. Editors send about a dozen. */
const MOST_STOPS = 256;
/** UTF-16 units, or token ids. Text is held back while it may become a stop. */
const LONGEST_STOP = 4096;

/** The `stop` field (docs/wire.md 3.4). Empty strings and empty sequences stop nothing and are left out. */
export function readStop(value: unknown): Stops {
  if (value === undefined || value === null) return { stopStrings: [], stopSequences: [] };
  const items: readonly unknown[] = typeof value === "string" ? [value] : asArray(value);
  if (items.length > MOST_STOPS)
    throw invalid("stop", `stop should have at most ${MOST_STOPS} entries, found ${items.length}`);
  if (items.some((item) => (typeof item === "string" || Array.isArray(item)) && item.length > LONGEST_STOP)) {
    throw invalid("stop", `entries of stop should be at most ${LONGEST_STOP} characters or token ids long`);
  }
  if (items.every((item) => typeof item === "string")) {
    return { stopStrings: items.filter((item) => item !== ""), stopSequences: [] };
  }
  if (items.every(isTokenId)) return { stopStrings: [], stopSequences: items.map((id) => [id]) };
  if (items.every(isTokenIds)) return { stopStrings: [], stopSequences: items.filter((ids) => ids.length > 0) };
  throw invalid("stop", WRONG_SHAPE);
}

function asArray(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw invalid("stop", WRONG_SHAPE);
}

function isTokenIds(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every(isTokenId);
}
