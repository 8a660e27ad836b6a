import { Gauge, type Registry } from "prom-client";

/** @param bytes asked at every scrape. */
export function registerTypingMetrics(registry: Registry, bytes: () => number): void {
  new Gauge({
    name: "continuo_remembered_bytes",
    help: "Memory for recent answers, about.",
    registers: [registry],
    collect() {
      this.set(bytes());
    },
  });
}
