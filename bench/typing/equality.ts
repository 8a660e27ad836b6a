/**
 * How often the rest of a suggestion, which memory gives to who types along it, is what the model says at the cursor when it
 * is asked again:
 *
 *     npx tsx bench/typing/equality.ts --model FILE [--places 20] [--positions 4] [--threads 2] [--show] [--json]
 *
 * At places of real program text the model is asked for the rest of the line, greedily: as a gap, and as a text that is
 * continued. Then its own answer is typed up to random positions, and it is asked anew without memory. In a text the tokens
 * are the same ones then, but where healing reaches less far back; in a gap what was typed stands before the suffix, and not
 * behind it. `--show` prints what differs.
 */
import { parseArgs } from "node:util";
import { temporaryFolder } from "../../test/support/files.ts";
import { Random } from "../../test/support/random.ts";
import { positive } from "../compare-options.ts";
import { markdownTable } from "../figures.ts";
import { complete } from "./client.ts";
import { startTyping } from "./servers.ts";
import { placesIn, type Text, texts } from "./texts.ts";

const MAX_TOKENS = 32;

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    places: { type: "string", default: "20" },
    positions: { type: "string", default: "4" },
    threads: { type: "string", default: "2" },
    show: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
if (values.model === undefined) throw new RangeError("--model FILE: which weights?");

interface Count {
  asked: number;
  same: number;
  /** Positions within a word, and how many of these are the same. */
  inWord: number;
  sameInWord: number;
}

const folder = temporaryFolder();
const options = { model: values.model, threads: positive(values.threads), folder: folder.path };
const server = await startTyping(options, "off", { memory: false });
try {
  const counts: Record<string, Count> = {};
  for (const text of texts())
    for (const kind of ["gap", "text"] as const) counts[`${text.language}, ${kind}`] = await measure(text, kind);
  print(counts);
} finally {
  await server.stop();
  folder.remove();
}

async function measure(text: Text, kind: "gap" | "text"): Promise<Count> {
  const random = new Random(1);
  const count: Count = { asked: 0, same: 0, inWord: 0, sameInWord: 0 };
  for (const place of placesIn(text, positive(values.places))) {
    const line = text.lines[place] ?? "";
    const start = line.length - line.trimStart().length + Math.floor(random.uniform() * 8);
    const prefix = [...text.lines.slice(Math.max(0, place - 8), place), line.slice(0, start)].join("\n");
    const suffix = kind === "gap" ? `\n${text.lines.slice(place + 1, place + 4).join("\n")}` : "";
    const ask = (typed: string) =>
      complete(server.url, { prefix: prefix + typed, suffix, maxTokens: MAX_TOKENS, stop: ["\n"] });
    const { text: whole, reason } = await ask("");
    // One that the bound has cut would go on beyond it.
    if (reason !== "stop" || whole.length < 2) continue;
    for (let position = 0; position < positive(values.positions); position += 1) {
      const at = 1 + Math.floor(random.uniform() * (whole.length - 1));
      const [typed, rest] = [whole.slice(0, at), whole.slice(at)];
      note(count, typed, rest, (await ask(typed)).text);
    }
    process.stderr.write(`${text.language}, ${kind}: ${count.same} of ${count.asked}\n`);
  }
  return count;
}

function note(count: Count, typed: string, rest: string, anew: string): void {
  const isSame = anew === rest;
  const isInWord = /\w$/.test(typed) && /^\w/.test(rest);
  if (values.show && !isSame) console.error(JSON.stringify([typed, rest, anew]));
  count.asked += 1;
  count.same += Number(isSame);
  count.inWord += Number(isInWord);
  count.sameInWord += Number(isInWord && isSame);
}

function print(counts: Readonly<Record<string, Count>>): void {
  if (values.json) {
    console.log(JSON.stringify(counts, undefined, 2));
    return;
  }
  const columns = ["text", "positions", "same", "in a word", "same"].map((title, index) => ({
    ...{ title, isNumber: index > 0 },
  }));
  const rows = Object.entries(counts).map(([name, { asked, same, inWord, sameInWord }]) => [
    ...[name, String(asked), share(same, asked), String(inWord), share(sameInWord, inWord)],
  ]);
  console.log(markdownTable(columns, rows));
}

function share(part: number, whole: number): string {
  return whole === 0 ? "–" : `${((100 * part) / whole).toFixed(1)} %`;
}
