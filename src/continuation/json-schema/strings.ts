import { type CodePoints, complement } from "../code-points.ts";
import { choice, isName, literal, oneOf, type Rules, sequence } from "./gbnf.ts";
import type { Pattern } from "./pattern.ts";

/** JSON strings as GBNF, quotation marks included. */

const QUOTE = literal('"');

export function anyString(rules: Rules): string {
  return rules.shared("string", () => sequence(QUOTE, `${anyCharacter(rules)}*`, QUOTE));
}

/** @param min and max in code points, as JSON Schema counts them. */
export function stringOfLength(rules: Rules, min: number, max: number | undefined): string {
  return sequence(QUOTE, rules.repeated(anyCharacter(rules), min, max), QUOTE);
}

/** Undefined: JSON has no string that matches. */
export function stringLike(rules: Rules, pattern: Pattern): string | undefined {
  const inside = matching(rules, pattern);
  return inside === undefined ? undefined : sequence(QUOTE, inside, QUOTE);
}

/** Strings without an escape, none of them one of `taken`. */
export function stringExcept(rules: Rules, taken: readonly string[]): string {
  return sequence(
    QUOTE,
    otherThan(
      taken.map((text) => [...text]),
      rules,
    ),
    QUOTE,
  );
}

/** One character of a string: a pair of escaped surrogates counts as one, and half a pair does not occur. */
function anyCharacter(rules: Rules): string {
  return rules.shared("char", () => {
    const hex = rules.shared("hex", () => "[0-9a-fA-F]");
    const unit = `([0-9a-cA-CefEF] ${hex}{3} | [dD] [0-7] ${hex}{2})`;
    const pair = `[dD] [89abAB] ${hex}{2} "\\\\u" [dD] [c-fC-F] ${hex}{2}`;
    return `${oneOf(PLAIN)} | "\\\\" (["\\\\/bfnrt] | "u" (${unit} | ${pair}))`;
  });
}

/** Characters that stand for themselves between quotation marks (RFC 8259, 7: DEL is one of them). */
const PLAIN: readonly CodePoints[] = [
  [0x20, 0x21],
  [0x23, 0x5b],
  [0x5d, 0x10ffff],
];

/** Characters with a short escape. */
const ESCAPED = [...'"\\\b\f\n\r\t'];

function matching(rules: Rules, pattern: Pattern): string | undefined {
  switch (pattern.kind) {
    case "character":
      return characterOf(rules, pattern.of);
    case "sequence": {
      const items = pattern.items.map((item) => matching(rules, item));
      return items.every((item) => item !== undefined) ? sequence(...items) : undefined;
    }
    case "choice":
      return choice(pattern.options.map((option) => matching(rules, option)).filter((option) => option !== undefined));
    case "repeat": {
      const item = matching(rules, pattern.item);
      if (item === undefined || item === "" || pattern.max === 0) return pattern.min > 0 ? item : "";
      const symbol = isName(item) ? item : rules.named("pattern", item);
      return rules.repeated(symbol, pattern.min, pattern.max);
    }
  }
}

/** Control characters without a short escape are written only where nothing else can be. */
function characterOf(rules: Rules, of: readonly CodePoints[]): string | undefined {
  if (complement(of).length === 0) return anyCharacter(rules);
  const plain = common(of, PLAIN);
  const escapes = ESCAPED.filter((character) => isIn(character, of)).map(escaped);
  const options = [...(plain.length > 0 ? [oneOf(plain)] : []), ...escapes];
  if (options.length > 1) return rules.named("class", options.join(" | "));
  if (options.length === 1) return options[0];
  const controls = Array.from({ length: 0x20 }, (_, code) => String.fromCharCode(code));
  return choice(controls.filter((character) => isIn(character, of)).map(escaped));
}

function escaped(character: string): string {
  return literal(JSON.stringify(character).slice(1, -1));
}

/** @param taken what may not follow here, each as its characters. */
function otherThan(taken: readonly (readonly string[])[], rules: Rules): string {
  const byFirst = new Map<string, (readonly string[])[]>();
  for (const [first, ...rest] of taken) {
    if (first !== undefined && isIn(first, PLAIN)) byFirst.set(first, [...(byFirst.get(first) ?? []), rest]);
  }
  const different = common(PLAIN, complement([...byFirst.keys()].map(codePointOf)));
  const plain = rules.shared("plain", () => oneOf(PLAIN));
  const options = [...byFirst].map(([first, rests]) => sequence(literal(first), otherThan(rests, rules)));
  const more = rules.named("other", [`${oneOf(different)} ${plain}*`, ...options].join(" | "));
  return taken.some((rest) => rest.length === 0) ? more : `${more}?`;
}

function common(a: readonly CodePoints[], b: readonly CodePoints[]): readonly CodePoints[] {
  return complement([...complement(a), ...complement(b)]);
}

function isIn(character: string, ranges: readonly CodePoints[]): boolean {
  const [codePoint] = codePointOf(character);
  return ranges.some(([low, high]) => codePoint >= low && codePoint <= high);
}

function codePointOf(character: string): CodePoints {
  const codePoint = character.codePointAt(0) ?? 0;
  return [codePoint, codePoint];
}
