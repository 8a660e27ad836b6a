/** The simulation of `bench/affinity.ts`, made small: what it shows must stay so. */
import { describe, expect, test } from "vitest";
import { type Balancer, BoundedHashing, Continuo, RoundRobin } from "../../bench/affinity-balancers.ts";
import { type ClusterFigures, simulate } from "../../bench/affinity-cluster.ts";
import { movesOf } from "../../bench/affinity-moves.ts";
import { traceOf } from "../../bench/affinity-trace.ts";
import { quantile } from "../../bench/figures.ts";

const REPLICAS = 50;
const TRACE = { seed: 1, zipf: 0.9, documents: 5_000, requests: 20_000, requestsPerSecond: 75 };
const FAILURES = { seed: 3, everyMs: 10_000, awayMs: 30_000 };
const trace = traceOf(TRACE);

function run(make: () => Balancer, gateways = 1): ClusterFigures {
  const balancers = Array.from({ length: gateways }, make);
  return simulate(trace, { replicas: REPLICAS, balancers, failures: FAILURES });
}
const affinity = (): Balancer => new Continuo("prefix_affinity", REPLICAS, 2);
const byDocument = (): Balancer => new BoundedHashing(REPLICAS, ({ document }) => document);

test("the same seed gives the same trace and the same figures", () => {
  expect(traceOf({ ...TRACE, requests: 500 })).toEqual(trace.slice(0, 500));
  expect(run(affinity).firstTokenMs).toEqual(run(affinity).firstTokenMs);
});

describe("prefix_affinity", () => {
  test("finds more of the prompts than bounded hashing that is told the document, and answers sooner", () => {
    const [ours, theirs] = [run(affinity), run(byDocument)];

    expect(ours.hitRate).toBeGreaterThan(theirs.hitRate + 0.1);
    expect(quantile(ours.firstTokenMs, 0.5)).toBeLessThan(quantile(theirs.firstTokenMs, 0.5));
    expect(quantile(ours.firstTokenMs, 0.99)).toBeLessThan(quantile(theirs.firstTokenMs, 0.99));
  });

  test("finds many times what round-robin and the least loaded find", () => {
    const ours = run(affinity).hitRate;

    expect(ours).toBeGreaterThan(3 * run(() => new RoundRobin(REPLICAS)).hitRate);
    expect(ours).toBeGreaterThan(3 * run(() => new Continuo("least_loaded", REPLICAS, 2)).hitRate);
  });

  test("still finds most of it when four gateways know nothing of one another", () => {
    expect(run(affinity, 4).hitRate).toBeGreaterThan(0.75 * run(affinity).hitRate);
  });

  test("leaves documents where they are when other replicas fail and return", () => {
    expect(movesOf(affinity(), trace, REPLICAS)).toEqual({ whenAway: 0, whenBack: 0 });
  });
});
