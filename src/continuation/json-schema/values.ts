import { literal, type Rules, sequence } from "./gbnf.ts";
import { NUMBER } from "./numbers.ts";
import { anyString } from "./strings.ts";

/** JSON itself as GBNF, and what stands between its values. */

/**
 * Nothing, a blank, or a new line with its indentation: enough for compact and for pretty-printed answers, and too
 * little for a model to write white space until its limit.
 */
const SPACE = '(" " | "\\x0A" [ \\x09]{0,40})?';

/** Any value. */
export function anyValue(rules: Rules): string {
  return rules.shared("value", () =>
    [anyObject(rules), anyArray(rules), anyString(rules), anyNumber(rules), '"true"', '"false"', '"null"'].join(" | "),
  );
}

export function anyObject(rules: Rules): string {
  return rules.shared("object", () => {
    const more = rules.shared("more-members", () => sequence(comma(rules), anyMember(rules)));
    return braced(rules, `${anyMember(rules)} ${more}*`, true);
  });
}

export function anyArray(rules: Rules): string {
  return rules.shared("array", () => {
    const more = rules.shared("more-values", () => sequence(comma(rules), anyValue(rules)));
    return bracketed(rules, `${anyValue(rules)} ${more}*`, true);
  });
}

export function anyNumber(rules: Rules): string {
  return rules.shared("number", () => NUMBER);
}

/** Exactly this value; white space within objects and arrays is free, the order of properties is not. */
export function exactly(rules: Rules, value: unknown): string {
  if (Array.isArray(value)) {
    const items = value.map((item: unknown) => exactly(rules, item));
    return bracketed(rules, items.join(` ${comma(rules)} `), false);
  }
  if (typeof value !== "object" || value === null) return literal(JSON.stringify(value));
  const members = Object.entries(value).map(([name, inner]) =>
    member(rules, literal(JSON.stringify(name)), exactly(rules, inner)),
  );
  return braced(rules, members.join(` ${comma(rules)} `), false);
}

/** A name and its value. */
export function member(rules: Rules, name: string, value: string): string {
  return sequence(name, '":"', space(rules), value);
}

export function comma(rules: Rules): string {
  return rules.shared("comma", () => sequence('","', space(rules)));
}

/** @param inside what stands between the braces; empty: nothing. @param isOptional whether it may be missing. */
export function braced(rules: Rules, inside: string, isOptional: boolean): string {
  return enclosed(rules, '"{"', inside, '"}"', isOptional);
}

export function bracketed(rules: Rules, inside: string, isOptional: boolean): string {
  return enclosed(rules, '"["', inside, '"]"', isOptional);
}

function enclosed(rules: Rules, open: string, inside: string, close: string, isOptional: boolean): string {
  const gap = space(rules);
  if (inside === "") return sequence(open, gap, close);
  return isOptional ? sequence(open, gap, `(${inside} ${gap})?`, close) : sequence(open, gap, inside, gap, close);
}

function anyMember(rules: Rules): string {
  return rules.shared("member", () => member(rules, anyString(rules), anyValue(rules)));
}

function space(rules: Rules): string {
  return rules.shared("space", () => SPACE);
}
