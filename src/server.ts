import { join } from "node:path";
import { listLimits } from "./accounts/limits.ts";
import { type NodeIdentity, thisNode } from "./accounts/nodes.ts";
import { StoreProbe } from "./accounts/store-probe.ts";
import { StoredKeys } from "./accounts/stored-keys.ts";
import { StoredMeter } from "./accounts/stored-meter.ts";
import { isLoopback } from "./config/checks.ts";
import type { Config, FileModel } from "./config/config.ts";
import { ConfigError } from "./config/error.ts";
import { fileModels } from "./config/models.ts";
import { isSocketPath } from "./config/socket-path.ts";
import type { Health, LocalModel } from "./continuation/engine.ts";
import { FIM_LAYOUTS, type FimLayout } from "./continuation/fim.ts";
import type { MemoryBytes } from "./continuation/memory.ts";
import { openStore } from "./db/open.ts";
import type { Store } from "./db/schema.ts";
import { ModelDirectory } from "./directory/model-directory.ts";
import { LlamaEngine } from "./engines/llama/engine.ts";
import { chooseLibraries, type LibraryChoice } from "./engines/llama/engine-choice.ts";
import { freeModelMemory } from "./engines/llama/free-memory.ts";
import { DEFAULT_SLOTS } from "./engines/llama/memory.ts";
import { ServiceError } from "./errors.ts";
import { createApp } from "./http/app.ts";
import { type Authenticator, authenticatorFor } from "./http/auth.ts";
import type { ProtocolRoute } from "./http/failure.ts";
import { listen } from "./listen.ts";
import { generationProtocol } from "./protocols/dashscope-generation.ts";
import { chatProtocol } from "./protocols/openai-chat.ts";
import { completionsProtocol } from "./protocols/openai-completions.ts";
import { memoryBudget } from "./residency/budget.ts";
import { ResidentEngine } from "./residency/resident-engine.ts";
import { type ResidencyStats, ResidentModels } from "./residency/resident-models.ts";
import { createLog, type Log } from "./telemetry/log.ts";
import { registerMemoryMetrics } from "./telemetry/memory-metrics.ts";
import { Metrics } from "./telemetry/metrics.ts";
import { VERSION } from "./version.ts";

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

/** Configured weights. */
export interface RunningModel {
  readonly name: string;
  readonly slots: number;
  readonly health: Health;
  /** What it can do and the memory it takes; absent while its file cannot be used. */
  readonly facts?: { readonly model: LocalModel; readonly memoryBytes: number };
}

/** Longest time of Node's timers, ms; a model idle for longer stays. */
const MAX_TIMER_MS = 2 ** 31 - 1;

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
  const served = fileModels(config).map((model) => serve(model, config, { libraries, budget, residents, log }));
  const named = served.map(({ resident }) => ({ name: resident.name, engine: resident }));
  const metrics = new Metrics(() => named);
  registerMemoryMetrics(metrics.registry, () => residents.stats());
  const node = thisNode();
  const meter = meterOver(store, node, log);
  const storeProbe = new StoreProbe({ store, node, now: Date.now });
  const service = await createApp({
    directory: directoryOf(served, config),
    routes: routes(),
    engines: () => named,
    authenticator,
    meter,
    log,
    metrics,
    workspace: config.workspace,
    administration: { store, now: Date.now, keys: config.adminKeys },
    limitsOf: (workspaceId) => listLimits({ store, now: Date.now }, workspaceId),
    storeObstacle: () => storeProbe.obstacle(),
    corsOrigins: config.corsOrigins,
    allowedHosts: hostsOf(config),
    limits: config.limits,
    version: VERSION,
  });
  const disposeEngines = async (): Promise<void> => {
    residents.close();
    await Promise.all(served.map(({ resident }) => resident[Symbol.asyncDispose]()));
  };
  let url: string;
  try {
    await meter.open();
    url = await listen(service.app, config);
  } catch (error) {
    await disposeEngines();
    await meter.close();
    throw error;
  }
  const release = async (): Promise<void> => {
    await disposeEngines();
    await meter.close();
    await store.destroy();
  };
  let released: Promise<void> | undefined;
  const drain = async (graceMs: number): Promise<void> => {
    await service.drain(graceMs);
    released ??= release();
    await released;
  };
  const loaded = loadAtStart(served, residents);
  return {
    url,
    ready: () => loaded,
    drain: (graceMs = config.limits.drainGraceMs) => drain(graceMs),
    close: () => drain(0),
    models: () => served.map(({ model, engine }) => runningModel(model, engine)),
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

/** Configured weights, and the engine that others see. */
interface Served {
  readonly model: FileModel;
  readonly engine: LlamaEngine;
  readonly resident: ResidentEngine;
}

interface Shared {
  readonly libraries: LibraryChoice;
  readonly budget: MemoryBytes;
  readonly residents: ResidentModels;
  readonly log: Log;
}

function serve(
  model: FileModel,
  { limits, fimLayouts }: Config,
  { libraries, budget, residents, log }: Shared,
): Served {
  const families = new Set(fimLayouts.map((layout) => layout.family));
  const layouts: readonly FimLayout[] = [
    ...fimLayouts,
    ...FIM_LAYOUTS.filter((layout) => !families.has(layout.family)),
  ];
  const engine = new LlamaEngine({
    name: model.name,
    path: model.file,
    engine: {
      slots: model.slots ?? DEFAULT_SLOTS,
      deterministic: model.deterministic,
      queueLimit: limits.queueLength,
      ...(model.contextTokens !== undefined && { slotTokens: model.contextTokens }),
      ...(model.threads !== undefined && { threads: model.threads }),
    },
    fimLayouts: layouts,
    timeoutMs: limits.engineTimeoutMs === 0 ? Number.POSITIVE_INFINITY : limits.engineTimeoutMs,
    budget,
    hasGpu: libraries.gpus.length > 0,
    speculation: model.speculation,
    ...(model.tokenHealing !== undefined && { tokenHealing: model.tokenHealing }),
    ...(model.fim !== undefined && { fim: model.fim }),
    device: libraries.note,
    ...(libraries.folder !== undefined && { libraries: libraries.folder }),
    ...(model.gpuLayers !== undefined && { gpuLayers: model.gpuLayers }),
    report: (event, level) => log[level]({ model: model.name }, event),
  });
  residents.add(model.name, engine, model.keepAliveMs);
  return { model, engine, resident: new ResidentEngine(engine, residents) };
}

function directoryOf(served: readonly Served[], config: Config): ModelDirectory {
  return new ModelDirectory({
    known: config.catalogue.entries,
    lookUp: (name) => config.catalogue.find(name),
    weights: served.map(({ model, resident }) => ({
      name: model.name,
      engine: resident,
      sampling: model.sampling,
      ...model.capabilities,
    })),
    mappings: config.mappings,
    ...(config.defaultModel !== undefined && { defaultName: config.defaultModel }),
    strict: config.strict,
  });
}

function residentModels(budget: MemoryBytes, log: Log): ResidentModels {
  return new ResidentModels({
    budget,
    now: () => performance.now(),
    after: (ms, callback) => {
      if (ms > MAX_TIMER_MS) return () => {};
      const timer = setTimeout(callback, ms);
      timer.unref(); // an idle model keeps nobody from leaving
      return () => clearTimeout(timer);
    },
    report: (model, event) => {
      if (event.kind === "failed") log.error({ model, ...whyOf(event.error) }, "the model cannot be loaded");
      else if (event.kind === "unload failed") log.error({ model, err: event.error }, "the model cannot be unloaded");
      else if (event.kind === "loaded") log.info({ model, seconds: Math.round(event.seconds * 10) / 10 }, "loaded");
      else log.info({ model }, event.reason === "idle" ? "unloaded: idle" : "unloaded to make room");
    },
  });
}

/** What is wrong with a file is said in words; where in the program it was noticed helps nobody. */
function whyOf(error: unknown): { readonly reason: string } | { readonly err: unknown } {
  return error instanceof ServiceError ? { reason: error.message } : { err: error };
}

/** In order, as far as the budget goes. A model that is unloaded at once when idle would be loaded for nothing. */
async function loadAtStart(served: readonly Served[], residents: ResidentModels): Promise<void> {
  const isWanted = ({ load, keepAliveMs }: FileModel): boolean =>
    (load ?? (keepAliveMs > 0 ? "start" : "")) === "start";
  await residents.preload(served.filter(({ model }) => isWanted(model)).map(({ model }) => model.name));
}

function runningModel({ name, slots = DEFAULT_SLOTS }: FileModel, engine: LlamaEngine): RunningModel {
  const { known } = engine;
  return { name, slots, health: engine.health(), ...(known !== undefined && { facts: known }) };
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
