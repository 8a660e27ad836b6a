import { type Constraints, isOf, typeOf } from "./constraints.ts";
import type { Range } from "./numbers.ts";
import { unsupported } from "./position.ts";

/** Whether a listed value passes what else is demanded. */
export function admits({ path, types, object, array, string, number }: Constraints, value: unknown): boolean {
  if (types !== undefined && !isOf(typeOf(value), types)) return false;
  if (typeof value === "number") return number === undefined || isWithin(value, number);
  if (typeof value === "string" && string !== undefined) {
    if (string.pattern !== undefined)
      throw unsupported(string.pattern.path, "stands beside enum or const; leave it out");
    const length = [...value].length;
    return length >= (string.minLength ?? 0) && length <= (string.maxLength ?? length);
  }
  const isChecked = (Array.isArray(value) ? array : typeOf(value) === "object" ? object : undefined) !== undefined;
  if (isChecked)
    throw unsupported(path, "describes the objects and arrays that its enum or const lists; keep one of both");
  return true;
}

function isWithin(value: number, { low, high }: Range): boolean {
  const isAbove = low === undefined || value > low.value || (value === low.value && !low.isExclusive);
  const isBelow = high === undefined || value < high.value || (value === high.value && !high.isExclusive);
  return isAbove && isBelow;
}
