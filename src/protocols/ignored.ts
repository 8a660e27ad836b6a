import type { Fields } from "./parameters.ts";

/** Values of fields without effect that ask for nothing, so that leaving them out of the report misleads nobody. */
export type Harmless = Readonly<Record<string, (value: unknown) => boolean>>;

/**
 * Names of given fields that have no effect, as the caller spelt them. `null` is "not given".
 *
 * @param honoured fields that were read. @param at what stands before each name, e.g. `parameters.`.
 */
export function fieldsWithoutEffect(
  fields: Fields,
  honoured: ReadonlySet<string>,
  harmless: Harmless = {},
  at = "",
): string[] {
  return Object.entries(fields)
    .filter(([name, value]) => value !== null && value !== undefined && !honoured.has(name))
    .filter(([name, value]) => !(Object.hasOwn(harmless, name) && harmless[name]?.(value)))
    .map(([name]) => at + name);
}
