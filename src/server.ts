import { join } from "node:path";
import { listLimits } from "./accounts/limits.ts";
import { type NodeIdentity, thisNode } from "./accounts/nodes.ts";
import { StoreProbe } from "./accounts/store-probe.ts";
import { StoredKeys } from "./accounts/stored-keys.ts";
import { StoredMeter } from "./accounts/stored-meter.ts";
import { isLoopback } from "./config/checks.ts";
import type { Config } from "./config/config.ts";
import { ConfigError } from "./config/error.ts";
import { deterministicModels } from "./config/models.ts";
import { isSocketPath } from "./config/socket-path.ts";
import { openStore } from "./db/open.ts";
import type { Store } from "./db/schema.ts";
import { chooseLibraries } from "./engines/llama/probe/engine-choice.ts";
import { freeModelMemory } from "./engines/llama/probe/free-memory.ts";
import { createApp } from "./http/app.ts";
import { type Authenticator, authenticatorFor } from "./http/auth.ts";
import type { ProtocolRoute } from "./http/failure.ts";
import { listen } from "./listen.ts";
import { loadAtStart, residentModels } from "./local-models.ts";
import { generationProtocol } from "./protocols/dashscope-generation.ts";
import { chatProtocol } from "./protocols/openai-chat.ts";
import { completionsProtocol } from "./protocols/openai-completions.ts";
import { memoryBudget } from "./residency/budget.ts";
import type { ResidencyStats } from "./residency/resident-models.ts";
import { type RunningModel, serveModels } from "./served-models.ts";
import { engineObserver, registerEngineHealth } from "./telemetry/engine-metrics.ts";
import { createLog, type Log } from "./telemetry/log.ts";
import { registerMemoryMetrics } from "./telemetry/memory-metrics.ts";
import { Metrics } from "./telemetry/metrics.ts";
import { observedEngine } from "./telemetry/observed-engine.ts";
import { registerPoolMetrics } from "./telemetry/pool-metrics.ts";
import { openTracing } from "./telemetry/tracing.ts";
import { registerTypingMetrics } from "./telemetry/typing-metrics.ts";
import { Typing } from "./typing/typing.ts";
import { VERSION } from "./version.ts";

export type { RunningModel };

/** A server that listens. */
export interface RunningServer {
  /** `http://HOST:PORT`, or `unix:PATH` of a Unix socket. */
  readonly url: string;
  /** Resolves when every model that is loaded at start serves or has failed; `models()` and `/health` tell which. */
  ready(): Promise<void>;
  /** Stops taking requests, lets running ones finish within `graceMs` (default: the configuration's), then cuts them. May be called again. */
  drain(graceMs?: number): Promise<void>;
  /** Stops at once. */
  close(): Promise<void>;
  /** Every configured model as it is at this moment, in their order. */
  models(): readonly RunningModel[];
  readonly memory: () => ResidencyStats;
  /** At its start nobody needed a key. */
  readonly isOpen: boolean;
  /** What the models compute with, for people; `fellBack`: a GPU was to be used and is not. */
  readonly device: { readonly note: string; readonly fellBack: boolean };
}

/**
 * Builds every part from the configuration, listens, and begins to load the models. Rejects when it cannot listen, and
 * with `ConfigError` when other machines could call without a key.
 */
export async function createServer(config: Config): Promise<RunningServer> {
  const store = await openStore(config);
  try {
    return await serverOver(store, config);
  } catch (error) {
    await store.destroy();
    throw error;
  }
}

/** @param store is closed when the server is. */
async function serverOver(store: Store, config: Config): Promise<RunningServer> {
  const authenticator = await authenticatorOver(store, config);
  const isOpen = await authenticator.isOpen();
  const log = createLog({ level: config.logLevel, readable: process.stdout.isTTY === true });
  const libraries = await chooseLibraries(config.engine, join(config.dataDir, "engines"));
  log[libraries.fellBack ? "warn" : "debug"]({ engine: config.engine }, libraries.note);
  const budget = memoryBudget(config.memoryBudget, freeModelMemory(libraries.gpus));
  const residents = residentModels(budget, log);
  const tracing = await openTracing(process.env, log);
  // A pool's requests are those of its replicas, which are counted there.
  const metrics = new Metrics(() => single);
  const observer = engineObserver(metrics.registry);
  const { local, remote, single, pools, served, directory } = serveModels(config, {
    shared: { libraries, budget, residents, log },
    observe: (engine, identity) =>
      observedEngine(engine, { identity, observer, tracing, now: () => performance.now() }),
  });
  registerMemoryMetrics(metrics.registry, () => residents.stats());
  registerPoolMetrics(metrics.registry, () =>
    pools.map(({ model, engine }) => ({ name: model.name, figures: engine.poolStats() })),
  );
  const typing = new Typing(config.typing, { exact: deterministicModels(config), now: () => performance.now() });
  registerTypingMetrics(metrics.registry, () => typing.memoryBytes);
  registerEngineHealth(metrics.registry, () =>
    single.map(({ identity, engine }) => ({ identity, health: engine.health() })),
  );
  const node = thisNode();
  const meter = meterOver(store, node, log);
  const storeProbe = new StoreProbe({ store, node, now: Date.now });
  const service = await createApp({
    directory,
    routes: routes(),
    engines: () => served,
    authenticator,
    meter,
    log,
    metrics,
    tracing,
    workspace: config.workspace,
    administration: { store, now: Date.now, keys: config.adminKeys },
    limitsOf: (workspaceId) => listLimits({ store, now: Date.now }, workspaceId),
    storeObstacle: () => storeProbe.obstacle(),
    corsOrigins: config.corsOrigins,
    allowedHosts: hostsOf(config),
    limits: config.limits,
    typing,
    version: VERSION,
  });
  const disposeEngines = async (): Promise<void> => {
    residents.close();
    await Promise.all(local.map(({ resident }) => resident[Symbol.asyncDispose]()));
    await remote.close();
  };
  let url: string;
  try {
    await meter.open();
    url = await listen(service.app, config);
  } catch (error) {
    await disposeEngines();
    await meter.close();
    await tracing.close();
    throw error;
  }
  const release = async (): Promise<void> => {
    await disposeEngines();
    await meter.close();
    await tracing.close();
    await store.destroy();
  };
  let released: Promise<void> | undefined;
  const drain = async (graceMs: number): Promise<void> => {
    await service.drain(graceMs);
    released ??= release();
    await released;
  };
  const loaded = Promise.all([loadAtStart(local, residents), remote.start()]).then(() => undefined);
  return {
    url,
    ready: () => loaded,
    drain: (graceMs = config.limits.drainGraceMs) => drain(graceMs),
    close: () => drain(0),
    models: () => served.map(({ running }) => running()),
    memory: () => residents.stats(),
    isOpen,
    device: libraries,
  };
}

/** An open server answers everybody who reaches it, so without keys only this machine may reach it (docs/wire.md 6.1). */
async function authenticatorOver(
  store: Store,
  { host, apiKeys, adminKeys, workspace }: Pick<Config, "host" | "apiKeys" | "adminKeys" | "workspace">,
): Promise<Authenticator> {
  const stored = new StoredKeys(store, Date.now);
  if (!isLoopback(host) && apiKeys.length + adminKeys.length === 0 && !(await stored.hasAny())) {
    const message =
      `"${host}" can be reached from other machines, and without keys everybody who reaches it may use the models; ` +
      "create one with `continuo keys create`, set CONTINUO_API_KEY or `api_keys:`, or listen on 127.0.0.1";
    throw new ConfigError([{ where: "host", field: "", message }]);
  }
  return authenticatorFor({
    configured: apiKeys,
    stored,
    workspace,
    mayBeOpen: isLoopback(host) && adminKeys.length === 0,
  });
}

/** No browser opens a Unix socket, and clients make up a name for it; so there any name will do until some are chosen. */
function hostsOf({ host, allowedHosts }: Pick<Config, "host" | "allowedHosts">): readonly string[] {
  return isSocketPath(host) && allowedHosts.length === 0 ? ["*"] : allowedHosts;
}

function meterOver(store: Store, node: NodeIdentity, log: Log): StoredMeter {
  return new StoredMeter({
    store,
    node,
    now: Date.now,
    report: (event, error) => (error === undefined ? log.warn(event) : log.error({ err: error }, event)),
  });
}

/** docs/wire.md 1.2 and 1.2a: two dialects over the same three wires. */
function routes(): readonly ProtocolRoute[] {
  return [
    { path: "/compatible-mode/v1/completions", protocol: completionsProtocol("dashscope") },
    { path: "/compatible-mode/v1/chat/completions", protocol: chatProtocol("dashscope") },
    { path: "/api/v1/services/aigc/text-generation/generation", protocol: generationProtocol() },
    { path: "/v1/completions", protocol: completionsProtocol("openai") },
    { path: "/v1/chat/completions", protocol: chatProtocol("openai") },
  ];
}
