import { Counter, Gauge, type Registry } from "prom-client";

/** What models take of the memory that they may take, and how often they came and went since the start. */
export interface MemoryFigures {
  readonly budgetBytes: number;
  readonly takenBytes: number;
  readonly loads: number;
  readonly unloads: number;
  readonly loadSeconds: number;
}

type Figure = readonly [name: string, help: string, value: (figures: MemoryFigures) => number];

const GAUGES: readonly Figure[] = [
  ["continuo_memory_budget_bytes", "Memory that all loaded models together may take.", (now) => now.budgetBytes],
  ["continuo_memory_taken_bytes", "Memory of the loaded models, as estimated before loading.", (now) => now.takenBytes],
];

const COUNTERS: readonly Figure[] = [
  ["continuo_model_loads_total", "Models brought into memory.", (now) => now.loads],
  ["continuo_model_unloads_total", "Models taken out of memory, idle or to make room.", (now) => now.unloads],
  ["continuo_model_load_seconds_total", "Time spent loading models.", (now) => now.loadSeconds],
];

/** @param figures asked at every scrape. */
export function registerMemoryMetrics(registry: Registry, figures: () => MemoryFigures): void {
  for (const [name, help, value] of GAUGES) {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(value(figures()));
      },
    });
  }
  for (const [name, help, value] of COUNTERS) {
    new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        // The residency counts; this one only repeats its figure.
        this.reset();
        this.inc(value(figures()));
      },
    });
  }
}
