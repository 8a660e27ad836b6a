/**
 * Mixed load for a while, and what it leaves behind:
 *
 *     npm run build && npx tsx bench/soak.ts [--minutes 10] [--clients 32] [--model FILE] [--seed 1] [--json]
 *
 * Clients send raw, fill-in-the-middle, chat and native requests, streamed and plain, and give up a quarter of them.
 * The exit code is 1 when a bound is missed. Linux only: memory and processor time come from /proc. Without a model a
 * tiny one is written, with which the server itself does most of the work.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { metric } from "../test/support/calls.ts";
import { temporaryFolder } from "../test/support/files.ts";
import { Random } from "../test/support/random.ts";
import { startServer } from "../test/support/server.ts";
import { writeTinyModel } from "../test/support/tiny-model.ts";
import { pause } from "./measures.ts";
import { type AbortPoint, request } from "./soak-client.ts";
import { judge, print, Report } from "./soak-report.ts";
import { cpuPercent, MemoryWatch } from "./watch.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    clients: { type: "string", default: "32" },
    seed: { type: "string", default: "1" },
    slots: { type: "string", default: "8" },
    model: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const durationMs = Number(values.minutes) * 60_000;
/** Buffers, caches and compiled code have their size by then. */
const warmUpMs = Math.min(60_000, durationMs / 5);

const folder = temporaryFolder();
const model = values.model ?? join(folder.path, "tiny.gguf");
if (values.model === undefined) writeTinyModel(model);
const server = await startServer({
  models: [`soak=${model}`],
  args: ["--slots", values.slots, "--context", "4096", "--data-dir", folder.path, "--log-level", "error"],
});
const report = new Report();
let isStopped = false;
process.once("SIGINT", () => {
  isStopped = true; // the report then is about the time so far
});
try {
  const memory = new MemoryWatch(server.pid);
  const startedMs = performance.now();
  const isRunning = (): boolean => !isStopped && performance.now() - startedMs < durationMs;
  const clients = Array.from({ length: Number(values.clients) }, async (_, index) => {
    const random = new Random(Number(values.seed) * 1_000 + index + 1);
    while (isRunning()) report.count(await request(server.url, random));
  });
  await pause(warmUpMs);
  await eventLoopDelayMs(server.url); // reading it starts it anew
  memory.start();
  await Promise.all(clients);
  memory.stop();
  const firstSecond = await cpuPercent(memory.pids, 1_000);
  const afterwards = await cpuPercent(memory.pids, 5_000);
  const figures = {
    minutes: (performance.now() - startedMs) / 60_000,
    clients: Number(values.clients),
    ...report.figures(),
    ...memory.figures(),
    eventLoopDelayP99Ms: await eventLoopDelayMs(server.url),
    cpuPercent: { firstSecond, afterwards },
    stillRunning: await metric(server.url, "continuo_engine_running"),
    abortsMet: {
      queued: await abortsMet(server.url, "queued"),
      prefill: await abortsMet(server.url, "prefill"),
      decode: await abortsMet(server.url, "decode"),
    },
  };
  const verdicts = judge(figures);
  if (values.json) process.stdout.write(`${JSON.stringify({ ...figures, verdicts }, null, 2)}\n`);
  else print(figures, verdicts);
  if (verdicts.some(({ isMet }) => !isMet)) process.exitCode = 1;
} finally {
  await server.stop();
  folder.remove();
}

async function eventLoopDelayMs(url: string): Promise<number> {
  return 1_000 * (await metric(url, "nodejs_eventloop_lag_p99_seconds"));
}

function abortsMet(url: string, phase: AbortPoint): Promise<number> {
  return metric(url, "continuo_engine_aborted_requests_total", { label: `phase="${phase}"` });
}
