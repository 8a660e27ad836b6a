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
  /** Whether reasons are for whoever asks; the states are for everybody. */
  readonly mayKnow: (request: FastifyRequest) => Promise<boolean>;
  readonly version: string;
  /** Why the store cannot be used at this moment; undefined: it can. Absent: there is none. */
  readonly storeObstacle?: (() => Promise<string | undefined>) | undefined;
}

/** `/health`: the process lives. `/ready`: it makes sense to send it requests. `/metrics`: Prometheus text. */
export function healthRoutes(app: FastifyInstance, parts: HealthParts): void {
  app.get("/health", async (request) => ({
    status: "ok",
    version: parts.version,
    draining: parts.calls.isDraining,
    running: parts.calls.size,
    engines: engineStates(parts.engines(), await parts.mayKnow(request)),
  }));
  // Models that come and go later keep nobody away: requests for them wait, all others are answered.
  let hasStarted = false;
  app.get("/ready", async (request, reply) => {
    const mayKnow = await parts.mayKnow(request);
    const ofEngines = whyNotReady(parts.calls.isDraining, parts.engines(), { hasStarted, mayKnow });
    hasStarted ||= ofEngines === undefined;
    // Every call needs the store: for its key, and for the account of its usage.
    const ofStore = ofEngines === undefined ? await parts.storeObstacle?.() : undefined;
    const obstacle = ofEngines ?? (ofStore === undefined || mayKnow ? ofStore : "the database cannot be used");
    reply.status(obstacle === undefined ? 200 : 503);
    if (parts.calls.isDraining) reply.header("retry-after", "5");
    return {
      ready: obstacle === undefined,
      ...(obstacle === undefined ? {} : { reason: obstacle }),
      engines: engineStates(parts.engines(), mayKnow),
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
 * @param asked whether it was ready before, and whether details are for whoever asks.
 */
function whyNotReady(
  isDraining: boolean,
  engines: readonly ServingEngine[],
  { hasStarted, mayKnow }: { readonly hasStarted: boolean; readonly mayKnow: boolean },
): string | undefined {
  if (isDraining) return "draining: the server is shutting down";
  if (engines.length === 0) {
    return "no model is configured: start with --model FILE, or name one under models: in the configuration";
  }
  const inPools = new Set(engines.flatMap(({ replicas }) => replicas?.() ?? []).map(({ name }) => name));
  const states = engines
    .filter(({ name }) => !inPools.has(name))
    .map(({ name, engine }) => ({ name, ...engine.health() }));
  const said = (what: string, those: typeof states): string =>
    those.map(({ name, detail }) => (mayKnow ? `${name} ${what}: ${detail}` : `${name} ${what}`)).join("; ");
  const stalled = states.filter(({ state }) => state === "stalled");
  if (stalled.length > 0) return said("has stalled", stalled);
  const loading = states.filter(({ state }) => state === "loading");
  if (loading.length > 0 && !hasStarted) return said("is loading", loading);
  if (states.some(({ state }) => state !== "failed")) return undefined;
  return said("has failed", states);
}

/** @param mayKnow otherwise the details, which may have addresses and errors in them, are null. */
function engineStates(engines: readonly ServingEngine[], mayKnow: boolean) {
  const shown = <T extends { readonly detail: string }>(state: T) => (mayKnow ? state : { ...state, detail: null });
  return engines.map(({ name, kind, engine, replicas }) => {
    const { queued, running, slots } = engine.stats();
    const states = replicas === undefined ? undefined : replicaStates(replicas(), engines).map(shown);
    return { name, kind, ...shown(engine.health()), queued, running, slots, replicas: states };
  });
}
