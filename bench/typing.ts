/** Somebody types: one fill-in-the-middle request after another, the text before the cursor growing by a word or a sign. */

import { median } from "./figures.ts";
import type { Peer } from "./peers.ts";
import { sourceText } from "./source-text.ts";
import { ask, type Gap } from "./stream.ts";

const KEYSTROKES = 20;
/** About 1000 and 300 tokens of program text. */
const PREFIX_CHARACTERS = 3_800;
const SUFFIX_CHARACTERS = 1_150;

/** Median time to the first token over the requests of one series, milliseconds. The first one finds nothing cached. */
export async function typing(peer: Peer, order: Gap["order"]): Promise<number> {
  const times: number[] = [];
  for (const gap of typed(sourceText(), order)) {
    const { tokenMs } = await ask(peer, { prompt: gap, maxTokens: 1 });
    if (tokenMs[0] !== undefined) times.push(tokenMs[0]);
  }
  if (times.length < KEYSTROKES) throw new Error(`${KEYSTROKES - times.length} requests had no token`);
  return median(times);
}

/** The first lines of prefix and suffix are new in every series, so that nothing is left of the series before. */
function* typed(text: string, order: Gap["order"]): Generator<Gap> {
  const mark = `// ${Math.random()}\n`;
  const suffix = mark + text.slice(-SUFFIX_CHARACTERS);
  // One to three tokens at a time: words with the blanks before them, and signs.
  const pieces = text.slice(PREFIX_CHARACTERS).match(/\s*(?:\w+|[^\w\s]+)/g) ?? [];
  let prefix = mark + text.slice(0, PREFIX_CHARACTERS);
  for (const piece of pieces.slice(0, KEYSTROKES)) {
    prefix += piece;
    yield { prefix, suffix, order };
  }
}
