/**
 * What a gateway costs, in front of a scripted engine:
 *
 *     npx tsx bench/gateway.ts [--rounds 5] [--requests 100] [--seconds 3] [--only NAME …] [--json]
 *
 * Continuo, Portkey's gateway and the LiteLLM proxy run side by side before the same engine, one process each, and are asked
 * in turn; "direct" is the engine without any. Every figure is taken in every round, in an order that changes.
 */
import { parseArgs } from "node:util";
import { positive } from "./compare-options.ts";
import { quantile } from "./figures.ts";
import { check, GatewayClient, load, type Question, type Reply } from "./gateway-client.ts";
import { type Gateway, startContinuo, startLiteLlm, startPortkey, startUpstream } from "./gateway-peers.ts";
import { report, type Samples } from "./gateway-report.ts";
import { PIECES } from "./gateway-script.ts";
import { pause } from "./measures.ts";
import { processorTicksMs, residentBytes } from "./processes.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    requests: { type: "string", default: "100" },
    seconds: { type: "string", default: "3" },
    only: { type: "string", multiple: true, default: [] },
    json: { type: "boolean", default: false },
  },
});
const rounds = positive(values.rounds);
const requests = positive(values.requests);
const durationMs = positive(values.seconds) * 1_000;

const LATENCIES: readonly (readonly [string, Question])[] = [
  ["chat, streamed", { route: "chat", pace: "fast", stream: true }],
  ["completion, streamed", { route: "completions", pace: "fast", stream: true }],
  ["chat, plain", { route: "chat", pace: "fast", stream: false }],
  ["completion, plain", { route: "completions", pace: "fast", stream: false }],
];
const STREAM: Question = { route: "chat", pace: "fast", stream: true };
const PACED: Question = { route: "chat", pace: "paced", stream: true };
const PLAIN: Question = { route: "chat", pace: "fast", stream: false };
/** Streams at a time. */
const CONCURRENCIES = [1, 16, 64];
/** Requests before anything is measured: code is compiled where it is hot. */
const WARM_UP = 200;
const MIB = 2 ** 20;

const STARTS = { continuo: startContinuo, portkey: startPortkey, litellm: startLiteLlm };

/** A gateway, a client of its own, and what was measured. */
interface Side {
  readonly gateway: Gateway;
  readonly client: GatewayClient;
  readonly samples: Map<string, number[]>;
}

const direct = await startUpstream();
const gateways = [direct];
try {
  for (const [name, start] of Object.entries(STARTS)) {
    if (values.only.length === 0 || values.only.includes(name)) gateways.push(await start(direct));
  }
  const sides = gateways.map(
    (gateway): Side => ({
      gateway,
      client: new GatewayClient(gateway, Math.max(...CONCURRENCIES)),
      samples: new Map(),
    }),
  );
  for (const side of sides) note(side, "resident, idle, MB", residentMb(side));
  for (const side of sides) await warmUp(side);
  for (let round = 0; round < rounds; round += 1) {
    const turn = [...sides.slice(round % sides.length), ...sides.slice(0, round % sides.length)];
    await measure(turn);
    process.stderr.write(`round ${round + 1} of ${rounds}\n`);
  }
  for (const side of sides) note(side, "resident, after load, MB", residentMb(side));
  for (const { client } of sides) await client.close();
  const all = sides.map(({ gateway: { name }, samples }): Samples => ({ name, samples }));
  console.log(values.json ? JSON.stringify(all.map(({ name, samples }) => [name, [...samples]])) : report(all));
} finally {
  for (const gateway of gateways) await gateway.stop();
}

/** One round. */
async function measure(sides: readonly Side[]): Promise<void> {
  for (const [name, question] of LATENCIES) await latency(sides, name, question);
  for (const concurrency of CONCURRENCIES) {
    for (const side of sides) {
      const { rate, cpuMs } = await loaded(side, STREAM, concurrency);
      note(side, `streams/s, ${concurrency} at a time`, rate);
      if (concurrency === 16) note(side, "CPU ms per 1,000 events", cpuMs / (PIECES.length / 1_000));
    }
  }
  for (const side of sides) {
    const { cpuMs } = await loaded(side, PACED, 16);
    note(side, "CPU ms per 1,000 events, paced", cpuMs / (PIECES.length / 1_000));
  }
  for (const side of sides) {
    const { rate, cpuMs } = await loaded(side, PLAIN, 16);
    note(side, "plain answers/s, 16 at a time", rate);
    note(side, "CPU ms per plain answer", cpuMs);
  }
}

/** One request at a time, to each in turn, so that all meet the same machine. */
async function latency(sides: readonly Side[], name: string, question: Question): Promise<void> {
  const times = new Map(sides.map((side) => [side, [] as number[]]));
  for (let request = 0; request < requests; request += 1) {
    for (const side of sides) times.get(side)?.push((await side.client.ask(question)).firstByteMs);
  }
  for (const side of sides) {
    const measured = times.get(side) ?? [];
    for (const share of [0.5, 0.99]) note(side, `${name}, p${share * 100} ms`, quantile(measured, share));
  }
}

async function loaded(
  { gateway, client }: Side,
  question: Question,
  concurrency: number,
): Promise<{ readonly rate: number; readonly cpuMs: number }> {
  const pids = gateway.pids();
  const beforeMs = processorTicksMs(pids);
  const { rate, answers } = await load(client, question, concurrency, durationMs);
  const cpuMs = (processorTicksMs(pids) - beforeMs) / answers;
  await pause(200); // what is still to be done for these requests is not charged to the next
  return { rate, cpuMs };
}

async function warmUp({ client }: Side): Promise<void> {
  for (const [, question] of [...LATENCIES, ["", PACED] as const]) check(question, await client.ask(question));
  const ask = (question: Question): Promise<Reply> => client.ask(question);
  for (let request = 0; request < WARM_UP; request += LATENCIES.length) {
    await Promise.all(LATENCIES.map(([, question]) => ask(question)));
  }
}

function note({ samples }: Side, name: string, value: number): void {
  samples.set(name, [...(samples.get(name) ?? []), value]);
}

function residentMb({ gateway }: Side): number {
  return residentBytes(gateway.pids()) / MIB;
}
