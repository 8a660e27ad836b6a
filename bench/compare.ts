/**
 * Compares this server with a stock llama-server of the same llama.cpp version, alternating in one run:
 *
 *     LLAMA_SERVER=FILE npx tsx bench/compare.ts [MODEL.gguf] [--repetitions 3] [--only WORD …] [--real FILE] [--json]
 *
 * Prints every target with medians, spread, ratio and verdict. Build the peer with bench/build-llama-server.sh. Without a
 * model one of Qwen2.5-Coder-0.5B's shape with random weights is written to the temporary folder, and kept.
 */
import { defaultThreads } from "../src/engines/llama/native/cores.ts";
import { cachedBenchModel } from "./bench-model.ts";
import { options } from "./compare-options.ts";
import { COPYING, COPYING_REAL, startCopiers } from "./copying.ts";
import { cachedCopyingModel, cachedSmallCopyingModel } from "./copying-model.ts";
import { MEASURES, type Measure, warmUp } from "./measures.ts";
import { overheadMeasure } from "./overhead.ts";
import { type Load, type Peer, startContinuo, startPeer } from "./peers.ts";
import { Samples } from "./samples.ts";

const { program, model = cachedBenchModel(), real, only, repetitions, threads = defaultThreads(), json } = options();
const load: Load = { model, threads, slots: 8, contextTokens: 4_608 };
const small: Load = { ...load, slots: 1, contextTokens: 4_096 };
const samples = new Samples();
const running = new Set<Peer>();
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => void stopAll().then(() => process.exit(1)));

const LOADING: Measure = {
  name: "load to ready",
  unit: "ms",
  target: { atMost: 0.6 },
  run: async (peer) => peer.loadMs,
};
const MEMORY: Measure = {
  ...{ name: "resident, 1 slot of 4096", unit: "MB", target: { atMost: 1.1 } },
  run: async (peer) => {
    await warmUp(peer);
    return peer.residentBytes() / 2 ** 20;
  },
};

await measure(MEASURES, async () => [await startContinuo(load, "both"), await startPeer(program, load)]);
await measureCopying(COPYING, cachedCopyingModel);
if (real !== undefined) await measureCopying(COPYING_REAL, () => real);
await measureOverhead();
await measureStarts();

process.stdout.write(json ? `${JSON.stringify(samples.rows(), null, 2)}\n` : samples.table());

function wanted(measures: readonly Measure[]): readonly Measure[] {
  return measures.filter(({ name }) => only.length === 0 || only.some((word) => name.includes(word)));
}

/** All measures on all peers, repeatedly; the order of the peers turns round every time. */
async function measure(measures: readonly Measure[], start: () => Promise<readonly Peer[]>): Promise<void> {
  const chosen = wanted(measures);
  if (chosen.length === 0) return;
  const peers = await start();
  for (const peer of peers) running.add(peer);
  try {
    for (const peer of peers) await warmUp(peer);
    for (let round = 0; round < repetitions; round += 1)
      for (const each of chosen)
        for (const peer of round % 2 === 0 ? peers : peers.toReversed()) await samples.take(each, peer);
  } finally {
    await stopAll();
  }
}

async function stopAll(): Promise<void> {
  await Promise.all(Array.from(running, (peer) => peer.stop()));
  running.clear();
}

async function measureCopying(measures: readonly Measure[], file: () => string): Promise<void> {
  if (wanted(measures).length > 0) await measure(measures, () => startCopiers({ ...load, model: file() }, program));
}

async function measureOverhead(): Promise<void> {
  if (only.length > 0 && !only.some((word) => "overhead per token".includes(word))) return;
  const bare = { ...small, model: cachedSmallCopyingModel(), threads: 1 };
  const overhead = await overheadMeasure(bare.model, bare.threads);
  await measure([overhead], async () => [await startContinuo(bare), await startPeer(program, bare)]);
  overhead.close();
}

/** Each repetition starts both servers anew. */
async function measureStarts(): Promise<void> {
  const chosen = wanted([LOADING, MEMORY]);
  const starters = [() => startContinuo(small), () => startPeer(program, small)];
  for (let round = 0; chosen.length > 0 && round < repetitions; round += 1) {
    for (const start of round % 2 === 0 ? starters : starters.toReversed()) {
      const peer = await start();
      running.add(peer);
      for (const each of chosen) await samples.take(each, peer);
      await stopAll();
    }
  }
}
