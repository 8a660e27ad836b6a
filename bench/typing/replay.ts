/**
 * Somebody types, and an editor asks for a suggestion with every key, without giving up the request before:
 *
 *     npx tsx bench/typing/replay.ts --model FILE [--lines 6] [--rounds 2] [--threads 2] [--slower 1] [--json]
 *
 * Every line is typed in real time on two servers, in turns: with and without the section `typing` (memory, and newer requests
 * that end older ones of the same document). Reported is the time to the first text where the user looks, and of all requests
 * that had one; how many requests had one at all, the others being ended before; and what came from memory. `--slower 3`
 * types at a third of the speed, for a machine that cannot answer between two keys.
 */
import { parseArgs } from "node:util";
import { temporaryFolder } from "../../test/support/files.ts";
import { positive } from "../compare-options.ts";
import { digits, markdownTable, quantile } from "../figures.ts";
import { complete, type EditorAnswer } from "./client.ts";
import { startTyping } from "./servers.ts";
import { placesIn, texts } from "./texts.ts";
import { type Step, traceOf } from "./trace.ts";

const MAX_TOKENS = 24;

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    lines: { type: "string", default: "6" },
    rounds: { type: "string", default: "2" },
    threads: { type: "string", default: "2" },
    slower: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
  },
});
if (values.model === undefined) throw new RangeError("--model FILE: which weights?");

interface Seen extends EditorAnswer {
  readonly step: Step;
}

const folder = temporaryFolder();
const options = { model: values.model, threads: positive(values.threads), folder: folder.path };
const sides = {
  on: await startTyping(options, "on", { memory: true, supersede_document: true }),
  off: await startTyping(options, "off", { memory: false, supersede_document: false }),
};
const seen: Record<keyof typeof sides, Seen[]> = { on: [], off: [] };
try {
  const all = texts();
  for (let round = 0; round < positive(values.rounds); round += 1) {
    for (const [index, text] of all.entries()) {
      for (const place of placesIn(text, Math.ceil(positive(values.lines) / all.length))) {
        const steps = traceOf(text, place, 1 + place + 1000 * index);
        for (const side of round % 2 === 0 ? (["on", "off"] as const) : (["off", "on"] as const)) {
          // Nothing of the round before is in a memory or a cache.
          seen[side].push(...(await replay(sides[side].url, steps, `# ${round}\n`)));
          process.stderr.write(`${text.language}, line ${place}, ${side}\n`);
        }
      }
    }
  }
  print();
} catch (error) {
  for (const server of Object.values(sides))
    console.error(
      server
        .log()
        .split("\n")
        .filter((l) => !l.includes('msg":"request'))
        .slice(-30)
        .join("\n"),
    );
  throw error;
} finally {
  await Promise.all(Object.values(sides).map((server) => server.stop()));
  folder.remove();
}

/** In real time; resolves when the last answer is there. */
async function replay(url: string, steps: readonly Step[], mark: string): Promise<readonly Seen[]> {
  const answers: Promise<Seen>[] = [];
  for (const step of steps) {
    await new Promise((resolve) => setTimeout(resolve, step.waitMs * positive(values.slower)));
    const { prefix, suffix } = step;
    const asked = complete(url, {
      prefix: mark + prefix,
      suffix,
      maxTokens: MAX_TOKENS,
      stop: ["\n"],
      document: "file",
    });
    answers.push(asked.then((answer) => ({ ...answer, step })));
  }
  return Promise.all(answers);
}

function print(): void {
  if (values.json) {
    console.log(JSON.stringify(seen, undefined, 2));
    return;
  }
  const titles = [
    "switches",
    "requests",
    "looks, p50 ms",
    "p95 ms",
    "all, p50 ms",
    "p95 ms",
    "with text",
    "hit",
    "part",
  ];
  const rows = Object.entries(seen).map(([side, all]) => {
    const looks = timesOf(all.filter(({ step }) => step.isPause));
    const times = timesOf(all);
    const share = (memory: string) => percent(all.filter((each) => each.memory === memory).length, all.length);
    return [
      ...[side, String(all.length), digits(quantile(looks, 0.5)), digits(quantile(looks, 0.95))],
      ...[digits(quantile(times, 0.5)), digits(quantile(times, 0.95)), percent(times.length, all.length)],
      ...[share("hit"), share("part")],
    ];
  });
  console.log(
    markdownTable(
      titles.map((title, index) => ({ title, isNumber: index > 0 })),
      rows,
    ),
  );
}

function timesOf(all: readonly Seen[]): readonly number[] {
  return all.flatMap(({ firstTextMs }) => firstTextMs ?? []);
}

function percent(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(0)} %`;
}
