const CLOSING: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };
const BRACKET = /[()[\]{}]/g;

/** How many closing brackets of a text close nothing in it. */
export function unmatchedClosers(text: string): number {
  return unmatched(text).closing.length;
}

/** The brackets of a text that comes in pieces. */
export class Brackets {
  /** Open ones, each as the bracket that would close it, outermost first. */
  readonly #opening: string[] = [];
  /** Closing ones that close nothing in the text. */
  #unmatched = 0;

  push(text: string): void {
    for (const [bracket] of text.matchAll(BRACKET)) {
      const closes = CLOSING[bracket];
      if (closes !== undefined) this.#opening.push(closes);
      else if (this.#opening.at(-1) === bracket) this.#opening.pop();
      else this.#unmatched += 1;
    }
  }

  /** How many closing brackets would close nothing if this text came next. */
  unmatchedWith(text: string): number {
    const inner: string[] = [];
    let left = this.#opening.length;
    let count = this.#unmatched;
    for (const [bracket] of text.matchAll(BRACKET)) {
      const closes = CLOSING[bracket];
      if (closes !== undefined) inner.push(closes);
      else if ((inner.at(-1) ?? this.#opening[left - 1]) !== bracket) count += 1;
      else if (inner.pop() === undefined) left -= 1;
    }
    return count;
  }
}

/**
 * How many of the brackets that are open before a gap its middle has to close: those that the suffix leaves open.
 * Where the texts are cut off and do not add up, the fewest that fit.
 */
export function closersOwed(before: string, suffix: string): number {
  const awaited = unmatched(before).opening.reverse();
  const { closing } = unmatched(suffix);
  const fits = (skipped: number): boolean =>
    closing.every((bracket, index) => (awaited[skipped + index] ?? bracket) === bracket);
  const surplus = awaited.length - closing.length;
  if (surplus >= 0 && fits(surplus)) return surplus;
  return Math.max(
    0,
    [...awaited.keys()].findIndex((skipped) => fits(skipped)),
  );
}

/** Brackets without a partner in the text; an opening one as the bracket that would close it, outermost first. */
function unmatched(text: string): { readonly opening: string[]; readonly closing: string[] } {
  const opening: string[] = [];
  const closing: string[] = [];
  for (const [bracket] of text.matchAll(BRACKET)) {
    const closes = CLOSING[bracket];
    if (closes !== undefined) opening.push(closes);
    else if (opening.at(-1) === bracket) opening.pop();
    else closing.push(bracket);
  }
  return { opening, closing };
}
