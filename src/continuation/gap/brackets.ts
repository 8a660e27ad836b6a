const CLOSING: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

/** How many closing brackets of a text close nothing in it. */
export function unmatchedClosers(text: string): number {
  return unmatched(text).closing.length;
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
  for (const [bracket] of text.matchAll(/[()[\]{}]/g)) {
    const closes = CLOSING[bracket];
    if (closes !== undefined) opening.push(closes);
    else if (opening.at(-1) === bracket) opening.pop();
    else closing.push(bracket);
  }
  return { opening, closing };
}
