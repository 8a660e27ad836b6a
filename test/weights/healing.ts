/**
 * Token healing in gaps: how often Qwen2.5-Coder-0.5B-Instruct finishes a word that the cursor cuts, with it and without.
 * 400 cursors inside identifiers of real code; right is the rest of the very identifier, and then no letter of one.
 *
 *     npm run build && npx tsx test/weights/healing.ts [cursors] [FILE]
 *
 * FILE is another model to measure beside it.
 */
import { COMPLETIONS, post, textOf } from "../support/calls.ts";
import { QWEN_NAME } from "../support/qwen-weights.ts";
import { expectThat, print, Tally } from "../support/tally.ts";
import { type Cursor, cursorsInWords } from "./cursors.ts";
import { startQwen } from "./qwen-server.ts";

/** Tokens of an answer: the rest of an identifier seldom has more than five. */
const TOKENS = 7;
/** Right at least, with healing: this share of all. */
const LEAST_SHARE = 0.7;

const [count = "400", file] = process.argv.slice(2);
const cursors = cursorsInWords(Number(count));
const tally = new Tally();
const server = await startQwen(["--slots", "1"], file);
try {
  const right = { off: 0, on: 0 };
  const healedOnly: Cursor[] = [];
  for (const [index, cursor] of cursors.entries()) {
    const off = await isRight(cursor, { token_healing: false });
    const on = await isRight(cursor, { token_healing: true });
    right.off += Number(off);
    right.on += Number(on);
    if (on && !off) healedOnly.push(cursor);
    if ((index + 1) % 20 === 0) print(`${index + 1} cursors: ${right.off} right without healing, ${right.on} with it`);
  }
  print("| cursors | words finished right, healing off | on |\n| ---: | ---: | ---: |");
  print(`| ${cursors.length} | ${right.off} | ${right.on} |`);
  await tally.check("healing finishes more words, and most of them", async () => {
    expectThat(right.on > right.off, `${right.on} with healing, ${right.off} without`);
    expectThat(right.on >= LEAST_SHARE * cursors.length, `${right.on} of ${cursors.length}`);
  });
  await tally.check("a gap is healed unless the request says otherwise", async () => {
    // A word that only healing finishes tells the two apart.
    for (const cursor of healedOnly.slice(0, 3)) expectThat(await isRight(cursor, {}), JSON.stringify(cursor));
    return `${healedOnly.length} words are finished with healing only`;
  });
} finally {
  await server.stop();
}
tally.finish();

async function isRight(cursor: Cursor, switches: Readonly<Record<string, boolean>>): Promise<boolean> {
  const text = await answerTo(cursor, switches);
  return text.startsWith(cursor.rest) && !/^[\w$]/.test(text.slice(cursor.rest.length));
}

async function answerTo({ prefix, suffix }: Cursor, switches: Readonly<Record<string, boolean>>): Promise<string> {
  const body = { model: QWEN_NAME, prompt: prefix, suffix, max_tokens: TOKENS, temperature: 0, ...switches };
  const answer = await post(server.url, COMPLETIONS, body);
  expectThat(answer.status === 200, answer.text);
  return textOf(answer.json);
}
