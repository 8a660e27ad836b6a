/** What a JSON text costs besides its bytes, looked at before anything is built from it. */

/** Arrays and objects within each other. What handles values calls itself level by level, and the stack has an end. */
const MAX_DEPTH = 256;
/** Arrays, objects, and members of objects. Building them takes a hundred times as long as a text of the same bytes. */
const MAX_PARTS = 250_000;

export interface Excess {
  /** Of the outermost object; where the text went too far. */
  readonly field: string;
  /** Goes on after "FIELD: ". */
  readonly expected: string;
}

const [QUOTE, BACKSLASH, COLON] = [0x22, 0x5c, 0x3a];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** Undefined: there is no excess. Whether the text is JSON at all, the parser says. */
export function excessIn(json: Uint8Array): Excess | undefined {
  let [depth, parts] = [0, 0];
  let text: readonly [start: number, end: number] = [0, 0];
  let field = text;
  const excess = (expected: string): Excess => ({ field: new TextDecoder().decode(json.subarray(...field)), expected });
  for (let at = 0; at < json.length; at += 1) {
    switch (json[at]) {
      case QUOTE: {
        const start = at + 1;
        at = endOfString(json, start);
        text = [start, at];
        break;
      }
      case OPEN_ARRAY:
      case OPEN_OBJECT:
        depth += 1;
        parts += 1;
        if (depth > MAX_DEPTH) return excess(`expected at most ${MAX_DEPTH} levels of nesting`);
        break;
      case CLOSE_ARRAY:
      case CLOSE_OBJECT:
        depth -= 1;
        break;
      case COLON:
        parts += 1;
        if (depth === 1) field = text;
        break;
      default:
    }
    if (parts > MAX_PARTS) return excess(`expected at most ${MAX_PARTS} arrays, objects and members in one request`);
  }
  return undefined;
}

/** Index of the closing quote, or the length where there is none. */
function endOfString(json: Uint8Array, start: number): number {
  let at = start;
  while (at < json.length && json[at] !== QUOTE) at += json[at] === BACKSLASH ? 2 : 1;
  return at;
}
