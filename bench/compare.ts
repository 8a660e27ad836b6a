/**
 * Compares this server with a stock llama-server of the same llama.cpp version, alternating in one run:
 *
 *     LLAMA_SERVER=/path/to/llama-server npx tsx bench/compare.ts MODEL.gguf [repetitions] [words of measures to run]
 *
 * Prints medians with their spread, and ratios beside the targets. Build the peer with bench/build-llama-server.sh,
 * write a model with bench/write-model.ts.
 */
import { MEASURES, type Measure } from "./measures.ts";
import { type Load, type Peer, startContinuo, startLlamaServer } from "./peers.ts";

const [model, repetitionsText = "3", ...words] = process.argv.slice(2);
const binary = process.env["LLAMA_SERVER"];
if (model === undefined || binary === undefined) {
  process.stderr.write("usage: LLAMA_SERVER=FILE npx tsx bench/compare.ts MODEL.gguf [repetitions] [words]\n");
  process.exit(2);
}
const repetitions = Number(repetitionsText);
const load: Load = { model, threads: 2, slots: 8, contextTokens: 4_608 };

const samples = new Map<string, { ours: number[]; theirs: number[] }>();
const add = (name: string, peer: Peer, value: number): void => {
  const entry = samples.get(name) ?? { ours: [], theirs: [] };
  samples.set(name, entry);
  (peer.name === "continuo" ? entry.ours : entry.theirs).push(value);
};

const LOADING: Measure = { name: "load to ready", unit: "ms", target: 0.6, run: async () => Number.NaN };
const MEMORY: Measure = { name: "resident, 1 slot of 4096", unit: "MB", target: 1.1, run: async () => Number.NaN };
const small: Load = { ...load, slots: 1, contextTokens: 4_096 };
const starters = [() => startContinuo(small), () => startLlamaServer(binary, small)] as const;

const wanted = MEASURES.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));

if (words.length === 0) {
  for (let round = 0; round < repetitions; round += 1) {
    for (const start of starters) {
      const peer = await start();
      await MEASURES[0]?.run(peer);
      add(LOADING.name, peer, peer.loadMs);
      add(MEMORY.name, peer, peer.residentBytes() / 2 ** 20);
      await peer.stop();
    }
  }
}
const peers = [await startContinuo(load), await startLlamaServer(binary, load)];
try {
  for (const peer of peers) await MEASURES[0]?.run(peer); // the first request of a process pays for page faults
  for (let round = 0; round < repetitions; round += 1) {
    for (const measure of wanted) {
      for (const peer of round % 2 === 0 ? peers : peers.toReversed()) add(measure.name, peer, await measure.run(peer));
    }
  }
} finally {
  await Promise.all(peers.map((peer) => peer.stop()));
}

process.stdout.write(
  "| measure | continuo | llama-server | ratio | target | |\n| --- | ---: | ---: | ---: | ---: | --- |\n",
);
for (const measure of [...wanted, ...(words.length === 0 ? [LOADING, MEMORY] : [])])
  process.stdout.write(`${row(measure)}\n`);

function row({ name, unit, target }: Measure): string {
  const { ours, theirs } = samples.get(name) ?? { ours: [], theirs: [] };
  const ratio = median(ours) / median(theirs);
  const isMet = unit === "tok/s" ? ratio >= target : ratio <= target;
  const bound = `${unit === "tok/s" ? "≥" : "≤"} ${target}`;
  return `| ${name}, ${unit} | ${figure(ours)} | ${figure(theirs)} | ${ratio.toFixed(3)} | ${bound} | ${isMet ? "met" : "missed"} |`;
}

/** Median, and in brackets the smallest and largest. */
function figure(values: readonly number[]): string {
  const digits = median(values) < 100 ? 1 : 0;
  return `${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)})`;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = Number.NaN, high = Number.NaN] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]];
  return (low + high) / 2;
}
