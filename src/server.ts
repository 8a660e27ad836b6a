import type { AddressInfo } from "node:net";
import type { Config, ModelConfig } from "./config/config.ts";
import type { EngineModel } from "./continuation/engine.ts";
import { FIM_LAYOUTS, type FimLayout } from "./continuation/fim.ts";
import { LlamaEngine } from "./engines/llama/engine.ts";
import { createApp } from "./http/app.ts";
import { configuredKeys, openToAll } from "./http/auth.ts";
import type { ProtocolRoute } from "./http/failure.ts";
import { CATALOGUE, catalogueEntry } from "./models/catalog.ts";
import { ModelDirectory } from "./pool/model-directory.ts";
import { generationProtocol } from "./protocols/dashscope-generation.ts";
import { chatProtocol } from "./protocols/openai-chat.ts";
import { completionsProtocol } from "./protocols/openai-completions.ts";
import { createLog, type Log } from "./telemetry/log.ts";
import { Metrics } from "./telemetry/metrics.ts";
import { VERSION } from "./version.ts";

/** A server that listens. */
export interface RunningServer {
  /** Without a slash at the end. */
  readonly url: string;
  /** Resolves when every configured model serves or has failed; what failed is in the log and in `/health`. */
  ready(): Promise<void>;
  /** Stops taking requests, lets running ones finish within `graceMs` (default: the configuration's), then cuts them. */
  drain(graceMs?: number): Promise<void>;
  /** Stops at once. */
  close(): Promise<void>;
  models(): readonly RunningModel[];
}

/** Weights that serve. */
export interface RunningModel {
  readonly name: string;
  readonly slots: number;
  readonly model: EngineModel;
}

/** Requests that one model runs at the same time unless the configuration says otherwise. */
const DEFAULT_SLOTS = 4;

/** Builds every part from the configuration, listens, and begins to load the models. Rejects when it cannot listen. */
export async function createServer(config: Config): Promise<RunningServer> {
  const log = createLog({ level: config.logLevel, readable: process.stdout.isTTY === true });
  const engines = startEngines(config, log);
  const directory = new ModelDirectory({
    known: CATALOGUE,
    lookUp: catalogueEntry,
    weights: engines.map(({ model, engine }) => ({
      name: model.name,
      engine,
      sampling: model.sampling,
      ...model.capabilities,
    })),
    mappings: config.mappings,
    ...(config.defaultModel !== undefined && { defaultName: config.defaultModel }),
    strict: config.strict,
  });
  const named = engines.map(({ engine }) => ({ name: engine.name, engine }));
  const keys = config.apiKeys.map((each) => each.key);
  const service = await createApp({
    directory,
    routes: routes(),
    engines: () => named,
    authenticator: keys.length === 0 ? openToAll(config.workspace) : configuredKeys(keys, config.workspace),
    log,
    metrics: new Metrics(() => named),
    corsOrigins: config.corsOrigins,
    limits: config.limits,
    version: VERSION,
  });
  const disposeEngines = async (): Promise<void> => {
    await Promise.all(engines.map(({ engine }) => engine[Symbol.asyncDispose]()));
  };
  try {
    await service.app.listen({ host: config.host, port: config.port });
  } catch (error) {
    await disposeEngines();
    throw error;
  }
  const drain = async (graceMs: number): Promise<void> => {
    await service.drain(graceMs);
    await disposeEngines();
  };
  const never = new AbortController().signal;
  const loaded = engines.map(({ model, engine }) =>
    engine.model(never).then(
      (facts): RunningModel[] => [{ name: model.name, slots: model.slots ?? DEFAULT_SLOTS, model: facts }],
      (error: unknown): RunningModel[] => {
        log.error({ model: model.name, err: error }, "the model cannot be served");
        return [];
      },
    ),
  );
  let running: readonly RunningModel[] = [];
  return {
    url: urlOf(service.app.server.address() as AddressInfo), // listening on TCP since above
    ready: async () => {
      running = (await Promise.all(loaded)).flat();
    },
    drain: (graceMs = config.limits.drainGraceMs) => drain(graceMs),
    close: () => drain(0),
    models: () => running,
  };
}

interface StartedEngine {
  readonly model: ModelConfig;
  readonly engine: LlamaEngine;
}

function startEngines({ models, limits, fimLayouts }: Config, log: Log): readonly StartedEngine[] {
  const families = new Set(fimLayouts.map((layout) => layout.family));
  const layouts: readonly FimLayout[] = [
    ...fimLayouts,
    ...FIM_LAYOUTS.filter((layout) => !families.has(layout.family)),
  ];
  return models.map((model) => {
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
      ...(model.fim !== undefined && { fim: model.fim }),
      report: (event) => log.info({ model: model.name }, event),
    });
    engine.start();
    return { model, engine };
  });
}

/** Contract 1.2 and 1.2a: two dialects over the same three wires. */
function routes(): readonly ProtocolRoute[] {
  return [
    { path: "/compatible-mode/v1/completions", protocol: completionsProtocol("dashscope") },
    { path: "/compatible-mode/v1/chat/completions", protocol: chatProtocol("dashscope") },
    { path: "/api/v1/services/aigc/text-generation/generation", protocol: generationProtocol() },
    { path: "/v1/completions", protocol: completionsProtocol("openai") },
    { path: "/v1/chat/completions", protocol: chatProtocol("openai") },
  ];
}

function urlOf({ address, family, port }: AddressInfo): string {
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}
