import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { registerMemoryMetrics } from "./memory-metrics.ts";

test("every scrape shows the figures of that moment", async () => {
  const registry = new Registry();
  let takenBytes = 5;
  registerMemoryMetrics(registry, () => ({ budgetBytes: 20, takenBytes, loads: 3, unloads: 2, loadSeconds: 1.5 }));
  await registry.metrics();
  takenBytes = 7;

  const lines = (await registry.metrics()).split("\n").filter((line) => line.startsWith("continuo"));

  expect(lines).toEqual([
    "continuo_memory_budget_bytes 20",
    "continuo_memory_taken_bytes 7",
    "continuo_model_loads_total 3",
    "continuo_model_unloads_total 2",
    "continuo_model_load_seconds_total 1.5",
  ]);
});
