/**
 * Where the time of a token goes when one greedy answer is generated:
 *
 *     npm run build && [LLAMA_SERVER=FILE] npx tsx bench/token-path.ts [MODEL.gguf] [--rounds 5] [--tokens 64] [--threads N]
 *
 * Prints one line for the library alone, and one for each layer around it up to the server over HTTP; with LLAMA_SERVER one
 * for a llama-server, too. They take turns. Processor time says more than the clock on a machine that is busy with
 * something else, as long as there is one thread: several wait for each other in busy loops. Linux only.
 */
import { parseArgs } from "node:util";
import { defaultThreads } from "../src/engines/llama/native/cores.ts";
import { positive } from "./compare-options.ts";
import { cachedSmallCopyingModel } from "./copying-model.ts";
import { digits, markdownTable, median, quantile, spread } from "./figures.ts";
import { type Peer, startContinuo, startPeer } from "./peers.ts";
import { familyOf, mainThreadMs, processorMs } from "./processes.ts";
import { ask } from "./stream.ts";
import { type Loop, openLoops } from "./token-loops.ts";

/** Per token, milliseconds. */
interface Cost {
  readonly wall: number;
  /** Of all threads of all processes of the layer. */
  readonly processor: number;
  /** Of the main threads, which run the JavaScript; undefined where there is none. */
  readonly script?: number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "5" },
    tokens: { type: "string", default: "64" },
    threads: { type: "string" },
  },
});
const model = positionals[0] ?? cachedSmallCopyingModel();
const threads = values.threads === undefined ? defaultThreads() : positive(values.threads);
const [rounds, tokens] = [positive(values.rounds), positive(values.tokens)];
/** Ordinary tokens of any vocabulary of a few thousand. */
const PROMPT = Array.from({ length: 32 }, (_, index) => 1_000 + 37 * index);

const loops = await openLoops(model, threads);
const load = { model, threads, slots: 1, contextTokens: 2_048 };
const program = process.env["LLAMA_SERVER"];
const peers = [await startContinuo(load), ...(program === undefined ? [] : [await startPeer(program, load)])];
try {
  const layers = [
    ...Object.entries(loops.byName).map(([name, loop]) => ({ name, run: () => costOf(loop) })),
    ...peers.map((peer) => ({ name: peer.side === "ours" ? "server" : "llama-server", run: () => costOver(peer) })),
  ];
  const costs = new Map<string, Cost[]>();
  for (const { run } of layers) await run();
  for (let round = 0; round < rounds; round += 1)
    for (const { name, run } of round % 2 === 0 ? layers : layers.toReversed())
      costs.set(name, [...(costs.get(name) ?? []), await run()]);
  process.stdout.write(`${table(costs)}\n${threads} threads, ${rounds} rounds of ${tokens} tokens.\n`);
  process.stdout.write(
    `Between two steps of the scheduler: ${digits(median(loops.gapsMs))} ms (90th percentile ${digits(quantile(loops.gapsMs, 0.9))}), ` +
      `of which argmax over the vocabulary ${digits(median(Array.from({ length: 200 }, loops.argmaxMs)))} ms.\n`,
  );
} finally {
  await Promise.all(peers.map((peer) => peer.stop()));
}
process.exit(0); // the scheduler would wait for requests for ever

async function costOf(loop: Loop): Promise<Cost> {
  let begun = clocks([process.pid]);
  await loop(PROMPT, tokens, () => {
    begun = clocks([process.pid]);
  });
  const { script, ...cost } = since(begun, clocks([process.pid]), tokens - 1);
  return loop === loops.byName["library, called directly"] ? cost : { ...cost, script };
}

async function costOver(peer: Peer): Promise<Cost> {
  const pids = familyOf(peer.pid);
  let begun = clocks(pids);
  const onToken = (count: number): void => {
    if (count === 1) begun = clocks(pids);
  };
  const answer = await ask(peer, { prompt: PROMPT, maxTokens: tokens, answer: "free", onToken });
  const { script, ...cost } = since(begun, clocks(pids), (answer.tokens ?? Number.NaN) - 1);
  return peer.side === "ours" ? { ...cost, script } : cost;
}

function clocks(pids: readonly number[]): Required<Cost> {
  return { wall: performance.now(), processor: processorMs(pids), script: mainThreadMs(pids) };
}

function since(begun: Required<Cost>, now: Required<Cost>, steps: number): Required<Cost> {
  return {
    wall: (now.wall - begun.wall) / steps,
    processor: (now.processor - begun.processor) / steps,
    script: (now.script - begun.script) / steps,
  };
}

function table(costs: ReadonlyMap<string, readonly Cost[]>): string {
  const columns = ["per token, ms", "clock", "processor", "of which JavaScript threads"];
  const rows = Array.from(costs, ([name, all]) => [
    name,
    spread(all.map(({ wall }) => wall)),
    spread(all.map(({ processor }) => processor)),
    spread(all.flatMap(({ script }) => script ?? [])),
  ]);
  return markdownTable(
    columns.map((title, index) => ({ title, isNumber: index > 0 })),
    rows,
  );
}
