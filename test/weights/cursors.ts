/** Cursors inside words of real code, from the texts of the held-out set. */
import { readFileSync } from "node:fs";
import { ownCases } from "../../src/eval/infill-case.ts";

/** A gap from inside an identifier to the end of its line. */
export interface Cursor {
  readonly prefix: string;
  readonly suffix: string;
  /** The rest of the identifier. */
  readonly rest: string;
}

/** Cursors of one text stand behind each other, so that a server that keeps prefixes reads the text once. */
const PER_TEXT = 8;
/** Characters before the first cursor of a text, so that there is something to go by, and behind a gap. */
const LEAST_PREFIX = 200;
const SUFFIX = 160;

const KEYWORDS = new Set(
  `abstract async await boolean break case catch class const continue declare default delete else enum export extends
  false finally from function implements import instanceof interface keyof lambda namespace never None null number object
  pass private protected public raise readonly return self static string super switch symbol this throw True False true
  type typeof undefined unknown void while with yield`.split(/\s+/),
);
/** Strings and comments: what stands there is no identifier. */
const NOT_CODE =
  /"""[\s\S]*?"""|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|#.*|\/\/.*|\/\*[\s\S]*?\*\/|^\s*\*.*/gm;

/** `count` cursors in texts that are spread evenly over the held-out set; the same ones every time. */
export function cursorsInWords(count: number): readonly Cursor[] {
  const cases = ownCases(readFileSync(new URL("../../eval/held-out.jsonl", import.meta.url)));
  const texts = cases.map(({ prefix, middle, suffix }) => prefix + middle + suffix).filter(hasEnough);
  const wanted = Math.ceil(count / PER_TEXT);
  const chosen = Array.from({ length: wanted }, (_, index) => texts[Math.floor((index * texts.length) / wanted)] ?? "");
  return chosen.flatMap(cursorsOf).slice(0, count);
}

function hasEnough(text: string): boolean {
  return identifiersOf(text).length >= PER_TEXT;
}

function cursorsOf(text: string, seed: number): readonly Cursor[] {
  const all = identifiersOf(text);
  return Array.from({ length: PER_TEXT }, (_, index) => {
    const found = all[Math.floor(((index + 0.5) * all.length) / PER_TEXT)];
    if (found === undefined) throw new Error("a text without identifiers was chosen");
    const [word] = found;
    // At least two characters are typed, at least one is not; which, goes round with the text and the cursor.
    const typed = 2 + ((seed * PER_TEXT + index) % (word.length - 2));
    const at = found.index + typed;
    const lineEnd = text.indexOf("\n", at);
    const end = lineEnd < 0 ? text.length : lineEnd;
    return { prefix: text.slice(0, at), suffix: text.slice(end, end + SUFFIX), rest: word.slice(typed) };
  });
}

function identifiersOf(text: string): readonly RegExpExecArray[] {
  const code = text.replace(NOT_CODE, (stretch) => stretch.replace(/\S/g, " "));
  return [...code.matchAll(/(?<![\w$])[A-Za-z_$][\w$]{4,}/g)].filter(
    ({ 0: word, index }) => index >= LEAST_PREFIX && !KEYWORDS.has(word),
  );
}
