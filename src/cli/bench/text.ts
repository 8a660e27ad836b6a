/** Program text to measure with: plausible, as long as wanted, and new every time, so that nothing of it is cached. */

const NAMES = ["total", "price", "items", "order", "count", "value", "user", "date", "line", "rate", "size", "key"];
const SIGNS = ["+", "-", "*", "%"];

/**
 * Functions of a few lines each.
 *
 * @param characters at least this many
 * @param random numbers in [0, 1)
 */
export function programText(characters: number, random: () => number = Math.random): string {
  const pick = (from: readonly string[]): string => from[Math.floor(random() * from.length)] ?? "";
  const name = (): string => `${pick(NAMES)}_${pick(NAMES)}`;
  const parts = [`# module ${Math.floor(random() * 1e9)}\n`];
  for (let length = 0; length < characters; ) {
    const [first, second] = [name(), name()];
    const step = `    ${second} = ${second} ${pick(SIGNS)} ${Math.floor(random() * 100)}\n`;
    const part = `def ${name()}(${first}, ${second}):\n${step}    return ${first} ${pick(SIGNS)} ${second}\n\n\n`;
    parts.push(part);
    length += part.length;
  }
  return parts.join("");
}

/** The text before the cursor at every keystroke: it grows by a word or a sign each time, one to three tokens. */
export function* keystrokes(text: string, from: number, count: number): Generator<string> {
  let prefix = text.slice(0, from);
  for (const [piece] of text.slice(from).matchAll(/\s*(?:\w+|[^\w\s]+)/g)) {
    if (count <= 0) return;
    count -= 1;
    prefix += piece;
    yield prefix;
  }
}
