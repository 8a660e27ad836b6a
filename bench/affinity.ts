/**
 * How well prompts find the replica that has evaluated their beginning, among many replicas, in virtual time:
 *
 *     npx tsx bench/affinity.ts [--replicas 1000] [--documents 100000] [--requests 400000] [--rate 1500] [--gateways 1] [--only WORD] [--json]
 *
 * The choice is that of the server's own code. The same options give the same figures, but for the processor time of a
 * choice, which is measured.
 */
import { parseArgs } from "node:util";
import { type Balancer, BoundedHashing, Continuo, RoundRobin, Timed } from "./affinity-balancers.ts";
import { simulate } from "./affinity-cluster.ts";
import { movesOf } from "./affinity-moves.ts";
import { traceOf } from "./affinity-trace.ts";
import { positive } from "./compare-options.ts";
import { digits, markdownTable, quantile } from "./figures.ts";

const { values } = parseArgs({
  options: {
    replicas: { type: "string", default: "1000" },
    documents: { type: "string", default: "100000" },
    requests: { type: "string", default: "400000" },
    rate: { type: "string", default: "1500" },
    gateways: { type: "string", default: "1" },
    only: { type: "string", default: "" },
    json: { type: "boolean", default: false },
  },
});
const replicas = positive(values.replicas);
const trace = traceOf({
  ...{ seed: 1, zipf: 0.9 },
  documents: positive(values.documents),
  requests: positive(values.requests),
  requestsPerSecond: positive(values.rate),
});

const kinds: readonly (readonly [string, () => Balancer])[] = [
  ["round-robin", () => new RoundRobin(replicas)],
  ["least_loaded", () => new Continuo("least_loaded", replicas, 2)],
  ["sticky", () => new Continuo("sticky", replicas, 2)],
  ["bounded hashing, by the first block", () => new BoundedHashing(replicas, ({ beginning }) => beginning.document)],
  ["bounded hashing, by document id", () => new BoundedHashing(replicas, ({ document }) => document)],
  ["bounded hashing, by document id, bound 2", () => new BoundedHashing(replicas, ({ document }) => document, 2)],
  ["prefix_affinity", () => new Continuo("prefix_affinity", replicas, 2)],
];

const rows = kinds.flatMap(([name, make]) => (name.includes(values.only) ? [measured(name, make)] : []));
process.stdout.write(values.json ? `${JSON.stringify(rows, null, 2)}\n` : table());

function measured(name: string, make: () => Balancer) {
  const balancers = Array.from({ length: positive(values.gateways) }, () => new Timed(make()));
  const figures = simulate(trace, {
    replicas,
    balancers,
    failures: { seed: 3, everyMs: 2_500, awayMs: 30_000 },
  });
  const { queuedMs, firstTokenMs, ...rest } = figures;
  const row = {
    name,
    ...rest,
    moved: movesOf(make(), trace, replicas),
    queuedMs: [quantile(queuedMs, 0.5), quantile(queuedMs, 0.99)],
    firstTokenMs: [quantile(firstTokenMs, 0.5), quantile(firstTokenMs, 0.99)],
    chooseUs: quantile(
      balancers.flatMap(({ tookUs }) => tookUs),
      0.5,
    ),
  };
  process.stderr.write(`${JSON.stringify(row)}\n`);
  return row;
}

function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`;
}

function table(): string {
  const titles = ["", "hit rate", "most / mean", "p99 / mean", "queued, ms", "first token, ms", "moved", "choice, µs"];
  const pair = ([half = Number.NaN, most = Number.NaN]: readonly number[]) => `${digits(half)} / ${digits(most)}`;
  return markdownTable(
    titles.map((title, index) => ({ title, isNumber: index > 0 })),
    rows.map(({ name, hitRate, mostByMean, p99ByMean, queuedMs, firstTokenMs, moved, chooseUs }) => [
      ...[name, percent(hitRate), digits(mostByMean), digits(p99ByMean), pair(queuedMs), pair(firstTokenMs)],
      ...[`${percent(moved.whenAway)} / ${percent(moved.whenBack)}`, digits(chooseUs)],
    ]),
  );
}
