import { containsSecret } from "./secret.ts";

/** The names of models that a grant is about: `*` stands for any text, also none; everything else for itself. */

/** True when a text can be a pattern: like a model's name, 1 to 200 characters without blanks, and no key. */
export function isPattern(text: string): boolean {
  return /^[^\s\p{C}]{1,200}$/u.test(text) && !containsSecret(text);
}

/** True when the whole name fits. Takes time in proportion to the lengths multiplied, whatever the pattern. */
export function fits(pattern: string, name: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  const last = rest.pop();
  if (last === undefined) return name === pattern;
  if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false;
  const end = name.length - last.length;
  let at = first.length;
  for (const part of rest) {
    // The first place is the best one: it leaves the most for the parts behind.
    const found = name.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
