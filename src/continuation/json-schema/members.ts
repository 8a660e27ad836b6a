import { choice, type Rules, sequence } from "./gbnf.ts";
import { braced, comma } from "./values.ts";

/** A property as it is written. */
export interface Member {
  readonly text: string;
  readonly isRequired: boolean;
}

/**
 * An object with these members in order, the required ones at least.
 *
 * @param others a member besides them, any number of times after them.
 * @param name of the object's rule.
 */
export function writeMembers(
  rules: Rules,
  members: readonly Member[],
  others: string | undefined,
  name: string,
): string {
  const isFirst = members.findIndex(({ isRequired }) => isRequired);
  // Those that may be the first one; from then on there is a comma in front.
  const heads = isFirst < 0 ? members.length : isFirst + 1;
  const extra = others === undefined ? undefined : rules.named(`other-${name}`, others);
  const end = extra === undefined ? "" : `${following(rules, name, extra)}*`;
  const rest = (tail: string): string => (heads > 1 ? rules.named(`${name}-rest`, tail) : tail);
  const next = ({ text, isRequired }: Member): string => {
    const member = sequence(comma(rules), text);
    return isRequired ? member : `(${member})?`;
  };
  /** What may stand behind the first so many members. */
  const tails: string[] = [];
  tails[heads] = heads === members.length ? end : rest(sequence(...members.slice(heads).map(next), end));
  for (let index = heads - 1; index >= 1; index--) {
    tails[index] = rest(sequence(...members.slice(index, index + 1).map(next), tails[index + 1] ?? ""));
  }
  const options = members.slice(0, heads).map(({ text }, index) => sequence(text, tails[index + 1] ?? ""));
  if (isFirst < 0 && extra !== undefined) options.push(sequence(extra, tails[members.length] ?? ""));
  return braced(rules, choice(options) ?? "", isFirst < 0);
}

/** An item or a member behind another one. @param name of the rule that has them. */
export function following(rules: Rules, name: string, item: string): string {
  return rules.named(`more-${name}`, sequence(comma(rules), item));
}
