/** Models of engines elsewhere. */
import type { Config, EngineConfig, EngineModelConfig } from "./config/config.ts";
import { engineModels } from "./config/models.ts";
import { adapterOf } from "./engines/remote/registry.ts";
import { RemoteEngine } from "./engines/remote/remote-engine.ts";
import { Upstream } from "./engines/remote/transport.ts";
import { laterOn, layoutsOf } from "./local-models.ts";
import type { Log } from "./telemetry/log.ts";

export interface RemoteServed {
  readonly model: EngineModelConfig;
  readonly config: EngineConfig;
  readonly engine: RemoteEngine;
}

export interface RemoteModels {
  readonly served: readonly RemoteServed[];
  /** Asks every engine what it can do. Resolves when each has answered or failed to. */
  start(): Promise<void>;
  close(): Promise<void>;
}

/** One engine for each model that is answered elsewhere; those of one address share its connections. */
export function serveRemote(config: Config, log: Log): RemoteModels {
  const upstreams = new Map(config.engines.map((engine) => [engine.name, new Upstream(engine)]));
  const served = engineModels(config).map((model): RemoteServed => {
    const engineConfig = config.engines.find(({ name }) => name === model.engine);
    const upstream = upstreams.get(model.engine);
    if (engineConfig === undefined || upstream === undefined) throw new Error(`engine ${model.engine} was not checked`);
    const { maxOutputTokens } = model.capabilities;
    const { prefix, fields, kind } = engineConfig;
    const engine = new RemoteEngine({
      model: {
        ...model,
        fimLayouts: layoutsOf(config.fimLayouts),
        fields,
        ...(maxOutputTokens !== undefined && { maxOutputTokens }),
        ...(prefix !== undefined && { prefix }),
      },
      adapter: adapterOf(kind),
      upstream,
      report: (event, level) => log[level]({ model: model.name, engine: model.engine }, event),
      after: laterOn,
    });
    return { model, config: engineConfig, engine };
  });
  return {
    served,
    start: async () => {
      await Promise.all(served.map(({ engine }) => engine.start()));
    },
    close: async () => {
      await Promise.all(served.map(({ engine }) => engine[Symbol.asyncDispose]()));
      await Promise.all([...upstreams.values()].map((upstream) => upstream.close()));
    },
  };
}
