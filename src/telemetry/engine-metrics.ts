import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { Health } from "../continuation/engine.ts";
import type { EngineObserver } from "./observed-engine.ts";
import type { EngineIdentity } from "./tracing.ts";

/** Seconds. */
const FIRST_TEXT_BUCKETS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300];

const labelNames = ["engine", "kind"] as const;

/** Requests of each engine as it was asked, so that a retry, a hop or a hedge is one of its own. */
export function engineObserver(registry: Registry): EngineObserver {
  const registers = [registry];
  const requests = new Counter({
    name: "continuo_engine_requests_total",
    help: "Requests that the engine was asked, by how they ended: ok, aborted, or the error code.",
    labelNames: [...labelNames, "outcome"],
    registers,
  });
  const firstText = new Histogram({
    name: "continuo_engine_time_to_first_text_seconds",
    help: "From the question to the first text of the engine.",
    labelNames,
    buckets: FIRST_TEXT_BUCKETS,
    registers,
  });
  return {
    firstText: ({ name, kind }, ms) => firstText.observe({ engine: name, kind }, ms / 1000),
    ended: ({ name, kind }, outcome) => requests.inc({ engine: name, kind, outcome }),
  };
}

/** @param engines asked at every scrape. */
export function registerEngineHealth(
  registry: Registry,
  engines: () => readonly { readonly identity: EngineIdentity; readonly health: Health }[],
): void {
  new Gauge({
    name: "continuo_engine_up",
    help: "1: the engine answers, or will when it is asked. 0: it is away, loading or has failed.",
    labelNames,
    registers: [registry],
    collect() {
      for (const { identity, health } of engines()) {
        const isUp = health.state === "ready" || health.state === "unloaded";
        this.set({ engine: identity.name, kind: identity.kind }, Number(isUp));
      }
    },
  });
}
