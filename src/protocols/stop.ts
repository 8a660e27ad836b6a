import type { Limits } from "../continuation/request.ts";
import { invalid, isTokenId } from "./parameters.ts";

type Stops = Pick<Limits, "stopStrings" | "stopSequences">;

const WRONG_SHAPE =
  'The "stop" parameter must be of type "str", "list[str]", "list[int]", or "list[list[int]]", and all elements within the list must be of the same type.';

/** The `stop` field (docs/wire.md 3.4). Empty strings and empty sequences stop nothing and are left out. */
export function readStop(value: unknown): Stops {
  if (value === undefined || value === null) return { stopStrings: [], stopSequences: [] };
  const items: readonly unknown[] = typeof value === "string" ? [value] : asArray(value);
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
