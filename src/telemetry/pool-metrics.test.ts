import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { registerPoolMetrics } from "./pool-metrics.ts";

test("every scrape shows the pools of that moment", async () => {
  const registry = new Registry();
  let resumes = 1;
  const replicas = [
    { name: "a", running: 2, isUp: true, isBroken: false, failures: 0 },
    { name: "b", running: 0, isUp: false, isBroken: true, failures: 7 },
  ];
  registerPoolMetrics(registry, () => [
    { name: "m", figures: { retries: 3, resumes, hedges: 5, hedgeWins: 4, replicas } },
  ]);
  await registry.metrics();
  resumes = 2;

  const lines = (await registry.metrics()).split("\n").filter((line) => line.startsWith("continuo"));

  expect(lines).toEqual([
    'continuo_pool_retries_total{model="m"} 3',
    'continuo_pool_resumes_total{model="m"} 2',
    'continuo_pool_hedges_total{model="m"} 5',
    'continuo_pool_hedge_wins_total{model="m"} 4',
    'continuo_pool_replica_failures_total{model="m",replica="a"} 0',
    'continuo_pool_replica_failures_total{model="m",replica="b"} 7',
    'continuo_pool_replica_running{model="m",replica="a"} 2',
    'continuo_pool_replica_running{model="m",replica="b"} 0',
    'continuo_pool_replica_up{model="m",replica="a"} 1',
    'continuo_pool_replica_up{model="m",replica="b"} 0',
    'continuo_pool_replica_broken{model="m",replica="a"} 0',
    'continuo_pool_replica_broken{model="m",replica="b"} 1',
  ]);
});
