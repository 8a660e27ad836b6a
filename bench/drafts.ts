/**
 * What drafts bring and cost, on ten kinds of text: the scheduler alone on a model, in this process, every request with
 * drafts and without, alternating.
 *
 *     npx tsx bench/drafts.ts MODEL.gguf [--repetitions 3] [--threads N] [--tokens 128] [--only WORD] [--json]
 *
 * Both clocks are shown: on a busy machine the processor's own tells more, most with one thread.
 */
import { parseArgs } from "node:util";
import { bindApi } from "../src/engines/llama/native/api.ts";
import { NativeContext } from "../src/engines/llama/native/context.ts";
import { defaultThreads } from "../src/engines/llama/native/cores.ts";
import { loadLibraries } from "../src/engines/llama/native/library.ts";
import { NativeModel } from "../src/engines/llama/native/model.ts";
import { Scheduler } from "../src/engines/llama/schedule/scheduler.ts";
import type { FromEngine } from "../src/engines/llama/wire/messages.ts";
import { type DraftText, draftTexts } from "../test/support/draft-texts.ts";
import { positive } from "./compare-options.ts";
import { digits, markdownTable, median } from "./figures.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    repetitions: { type: "string", default: "3" },
    threads: { type: "string", default: `${defaultThreads()}` },
    tokens: { type: "string", default: "128" },
    only: { type: "string", default: "" },
    json: { type: "boolean", default: false },
  },
});
const [file] = positionals;
if (file === undefined) throw new Error("usage: npx tsx bench/drafts.ts MODEL.gguf");

const SLOT_TOKENS = 4_096;
const BLOCK_TOKENS = 64;

interface Run {
  readonly tokens: readonly number[];
  /** From the first token to the last. */
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly steps: number;
  readonly drafted: number;
  readonly accepted: number;
}

/** Medians over the rounds. */
interface Row {
  readonly kind: string;
  /** Tokens per second without drafts and with. */
  readonly off: number;
  readonly on: number;
  /** How many times faster with drafts, by either clock. */
  readonly wall: number;
  readonly cpu: number;
  readonly tokens: number;
  readonly steps: number;
  readonly drafted: number;
  readonly accepted: number;
  /** Tokens in front of the first that is another one with drafts, for each round that has one. */
  readonly parted: readonly number[];
}

const api = bindApi(loadLibraries());
api.logSet(api.isQuantizedSymbol, null);
const model = await NativeModel.load(api, file, () => "");
const context = new NativeContext(api, model, {
  ...{ slots: 1, slotTokens: SLOT_TOKENS, threads: positive(values.threads) },
  ...{ batchTokens: 9 * BLOCK_TOKENS, microBatchTokens: BLOCK_TOKENS },
});
let hear: (message: FromEngine) => void = () => {};
const scheduler = new Scheduler(context, model, {
  ...{ slots: 1, blockTokens: BLOCK_TOKENS, deterministic: false, queueLimit: 1 },
  now: () => performance.now(),
  send: (message) => hear(message),
  report: (error) => process.stderr.write(`${error}\n`),
});
void scheduler.run();

const rows: Row[] = [];
let lastId = 0;
for (const text of draftTexts().filter(({ kind }) => kind.includes(values.only))) {
  const pairs: { readonly off: Run; readonly on: Run }[] = [];
  for (let round = 0; round < positive(values.repetitions); round += 1) {
    const order = round % 2 === 0 ? [false, true] : [true, false];
    const runs = [await run(text, order[0] === true), await run(text, order[1] === true)];
    const [off, on] = round % 2 === 0 ? runs : runs.toReversed();
    if (off === undefined || on === undefined) continue;
    pairs.push({ off, on });
    process.stderr.write(`${text.kind}: ${digits(off.wallMs / on.wallMs)} wall, ${digits(off.cpuMs / on.cpuMs)} cpu\n`);
  }
  const of = (figure: (pair: (typeof pairs)[number]) => number): number => median(pairs.map(figure));
  rows.push({
    kind: text.kind,
    off: of(({ off }) => ((off.tokens.length - 1) / off.wallMs) * 1000),
    on: of(({ on }) => ((on.tokens.length - 1) / on.wallMs) * 1000),
    wall: of(({ off, on }) => off.wallMs / on.wallMs),
    cpu: of(({ off, on }) => off.cpuMs / on.cpuMs),
    tokens: of(({ on }) => on.tokens.length),
    steps: of(({ on }) => on.steps),
    drafted: of(({ on }) => on.drafted),
    accepted: of(({ on }) => on.accepted),
    parted: pairs.flatMap(({ off, on }) => partedAt(off.tokens, on.tokens) ?? []),
  });
}
process.stdout.write(values.json ? `${JSON.stringify(rows, null, 2)}\n` : table());
process.exit(0);

async function run({ prompt }: DraftText, speculation: boolean): Promise<Run> {
  const id = ++lastId;
  const seen = { tokens: [] as number[], steps: 0, drafted: 0, accepted: 0 };
  let started: readonly [wallMs: number, cpuMs: number] | undefined;
  const done = new Promise<void>((resolve, reject) => {
    hear = (message) => {
      if (message.type === "refused") reject(new Error(message.message));
      if (message.type !== "step") return;
      for (const output of message.outputs) {
        started ??= [performance.now(), cpuMs()];
        seen.tokens.push(...output.generated);
        seen.steps += 1;
        seen.drafted += output.drafted?.proposed ?? 0;
        seen.accepted += output.drafted?.accepted ?? 0;
        if (output.finished !== undefined) resolve();
      }
    };
  });
  scheduler.submit({
    ...{ type: "generate", id, lane: "interactive", ends: [], logitBias: [], seed: "1", choices: [[]] },
    prompt: { sections: [{ role: "prefix", parts: [{ text: prompt }] }], countOffset: 0 },
    limits: {
      ...{ stopStrings: [], stopSequences: [], maxInputTokens: SLOT_TOKENS, truncate: false },
      maxTokens: positive(values.tokens),
    },
    ...{ sampling: { temperature: 0 }, promptLogprobs: false, healing: false, resumed: false, speculation },
  });
  await done;
  const [wallMs, cpu] = started ?? [0, 0];
  return { ...seen, wallMs: performance.now() - wallMs, cpuMs: cpuMs() - cpu };
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function partedAt(off: readonly number[], on: readonly number[]): number | undefined {
  const at = off.findIndex((token, index) => token !== on[index]);
  return at < 0 ? undefined : at;
}

function table(): string {
  const columns = [
    "text",
    "without, tok/s",
    "with, tok/s",
    "faster",
    "by processor time",
    "tokens",
    "steps",
    "drafted",
    "accepted",
    "parted at",
  ];
  const figures = [
    ...rows,
    {
      kind: "median",
      ...Object.fromEntries((["wall", "cpu"] as const).map((key) => [key, median(rows.map((row) => row[key]))])),
    },
  ] as readonly Partial<Row>[];
  return markdownTable(
    columns.map((title, index) => ({ title, isNumber: index > 0 })),
    figures.map(({ kind = "", off, on, wall, cpu, tokens, steps, drafted, accepted, parted = [] }) => [
      kind,
      ...[off, on, wall, cpu].map((value) => (value === undefined ? "" : digits(value))),
      ...[tokens, steps, drafted, accepted].map((value) => (value === undefined ? "" : `${value}`)),
      parted.join(", "),
    ]),
  );
}
