/** Text from outside on a terminal. */

/**
 * Text from a model, a server, a hub or a file must not steer the terminal: control characters but newline and tab
 * become their pictures (U+2400 block), those of the second set (U+0080 to U+009F) the replacement character.
 */
export function visible(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
  return text.replaceAll(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, pictureOf);
}

/** The same on one line, for a cell of a table or a line that is drawn over. */
export function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: as above
  return text.replaceAll(/[\x00-\x1f\x7f-\x9f]/g, pictureOf);
}

function pictureOf(character: string): string {
  const code = character.charCodeAt(0);
  if (code > 0x7f) return "\ufffd";
  return String.fromCharCode(code === 0x7f ? 0x2421 : 0x2400 + code);
}
