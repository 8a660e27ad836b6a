import { excerpt, ServiceError } from "../errors.ts";

/**
 * Reading fields of a JSON object. `null` counts as absent everywhere; numeric strings and booleans are no numbers
 * (docs/wire.md 8.3). Every function throws `invalid_parameter` naming the field.
 */
export type Fields = Readonly<Record<string, unknown>>;

/** Which numbers are allowed, and what to say about the others. */
export interface Bounds {
  readonly allows: (value: number) => boolean;
  readonly message: string;
}

export function between(low: number, high: number, message: string): Bounds {
  return { allows: (value) => value >= low && value <= high, message };
}

/** `Range of NAME should be [LOW, HIGH]`, ends included. @param high infinite: nobody knows a bound. */
export function range(name: string, low: number, high: number): Bounds {
  if (high === Number.POSITIVE_INFINITY) return between(low, high, `${name} should be at least ${low}`);
  return between(low, high, `Range of ${name} should be [${low}, ${high}]`);
}

export function readNumber(fields: Fields, name: string, bounds: Bounds): number | undefined {
  const value = fields[name] ?? undefined;
  if (value === undefined) return undefined;
  // 1e999 is valid JSON and parses to Infinity.
  if (typeof value !== "number" || !Number.isFinite(value)) throw wrongType(name, "Float");
  if (!bounds.allows(value)) throw invalid(name, bounds.message);
  return value;
}

export function readInteger(fields: Fields, name: string, bounds: Bounds): number | undefined {
  const value = fields[name] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isInteger(value)) throw wrongType(name, "Integer");
  if (!bounds.allows(value)) throw invalid(name, bounds.message);
  return value;
}

export function readBoolean(fields: Fields, name: string): boolean | undefined {
  const value = fields[name] ?? undefined;
  if (value === undefined || typeof value === "boolean") return value;
  throw wrongType(name, "Boolean");
}

export function readString(fields: Fields, name: string): string | undefined {
  const value = fields[name] ?? undefined;
  if (value === undefined || typeof value === "string") return value;
  throw wrongType(name, "String");
}

export function readArray(fields: Fields, name: string): readonly unknown[] | undefined {
  const value = fields[name] ?? undefined;
  if (value === undefined || Array.isArray(value)) return value;
  throw wrongType(name, "Array");
}

export function readObject(fields: Fields, name: string): Fields | undefined {
  const value = fields[name] ?? undefined;
  if (value === undefined || isObject(value)) return value;
  throw wrongType(name, "Object");
}

export function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What a message says was found: small values themselves, the beginning of texts, and of all others the kind. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(excerpt(value));
  if (Array.isArray(value)) return "an array";
  return isObject(value) ? "an object" : String(value);
}

/** Token ids are whole and not negative. */
export function isTokenId(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0;
}

export function invalid(param: string, message: string): ServiceError {
  return new ServiceError("invalid_parameter", message, { param });
}

function wrongType(name: string, type: string): ServiceError {
  return invalid(name, `'${name}' must be ${type}`);
}
