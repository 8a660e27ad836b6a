import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Metrics } from "../telemetry/metrics.ts";
import { refuseOtherMethods } from "./methods.ts";
import type { OpenCalls } from "./open-calls.ts";
import { replicaStates, type ServingEngine } from "./serving-engine.ts";

export interface HealthParts {
  readonly engines: () => readonly ServingEngine[];
  readonly calls: OpenCalls;
  readonly metrics: Metrics;
  /** For `/metrics`; the probes need no key. */
  readonly guard: (request: FastifyRequest) => Promise<void>;
  readonly version: string;
  /** Why the store cannot be used at this moment; undefined: it can. Absent: there is none. */
  readonly storeObstacle?: (() => Promise<string | undefined>) | undefined;
}

/** `/health`: the process lives. `/ready`: it makes sense to send it requests. `/metrics`: Prometheus text. */
export function healthRoutes(app: FastifyInstance, parts: HealthParts): void {
  app.get("/health", () => ({
    status: "ok",
    version: parts.version,
    draining: parts.calls.isDraining,
    running: parts.calls.size,
    engines: engineStates(parts.engines()),
  }));
  // Models that come and go later keep nobody away: requests for them wait, all others are answered.
  let hasStarted = false;
  app.get("/ready", async (_request, reply) => {
    const ofEngines = whyNotReady(parts.calls.isDraining, parts.engines(), hasStarted);
    hasStarted ||= ofEngines === undefined;
    // Every call needs the store: for its key, and for the account of its usage.
    const obstacle = ofEngines ?? (await parts.storeObstacle?.());
    reply.status(obstacle === undefined ? 200 : 503);
    if (parts.calls.isDraining) reply.header("retry-after", "5");
    return {
      ready: obstacle === undefined,
      ...(obstacle === undefined ? {} : { reason: obstacle }),
      engines: engineStates(parts.engines()),
    };
  });
  app.get("/metrics", { onRequest: parts.guard }, async (_request, reply) => {
    reply.type(parts.metrics.registry.contentType);
    return parts.metrics.registry.metrics();
  });
  for (const path of ["/health", "/ready", "/metrics"]) refuseOtherMethods(app, path, ["GET"]);
}

/**
 * Ready: something serves or will when asked, what is loaded at start has been, and no engine has stopped working without
 * having died. Replicas are judged together, as the pool that they belong to: one that is away leaves the others. Undefined:
 * nothing stands against it.
 *
 * @param hasStarted it was ready before.
 */
function whyNotReady(isDraining: boolean, engines: readonly ServingEngine[], hasStarted: boolean): string | undefined {
  if (isDraining) return "draining: the server is shutting down";
  if (engines.length === 0) {
    return "no model is configured: start with --model FILE, or name one under models: in the configuration";
  }
  const inPools = new Set(engines.flatMap(({ replicas }) => replicas?.() ?? []).map(({ name }) => name));
  const states = engines
    .filter(({ name }) => !inPools.has(name))
    .map(({ name, engine }) => ({ name, ...engine.health() }));
  const stalled = states.filter(({ state }) => state === "stalled");
  if (stalled.length > 0) return stalled.map(({ name, detail }) => `${name} has stalled: ${detail}`).join("; ");
  const loading = states.filter(({ state }) => state === "loading");
  if (loading.length > 0 && !hasStarted) {
    return loading.map(({ name, detail }) => `${name} is loading: ${detail}`).join("; ");
  }
  if (states.some(({ state }) => state !== "failed")) return undefined;
  return states.map(({ name, detail }) => `${name} has failed: ${detail}`).join("; ");
}

function engineStates(engines: readonly ServingEngine[]) {
  return engines.map(({ name, kind, engine, replicas }) => {
    const { queued, running, slots } = engine.stats();
    const states = replicas === undefined ? undefined : replicaStates(replicas(), engines);
    return { name, kind, ...engine.health(), queued, running, slots, replicas: states };
  });
}
