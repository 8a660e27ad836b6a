/** Every configured model, and who answers for it. */
import type { Config, EngineModelConfig, FileModel, PoolModel } from "./config/config.ts";
import type { Engine, EngineModel, Health } from "./continuation/engine.ts";
import { ModelDirectory, type ServedWeights } from "./directory/model-directory.ts";
import { DEFAULT_SLOTS } from "./engines/llama/host/memory.ts";
import type { ServingEngine } from "./http/serving-engine.ts";
import { type LocalServed, type Shared, serveLocal } from "./local-models.ts";
import { type PoolServed, servePools } from "./pooled-models.ts";
import { type RemoteModels, type RemoteServed, serveRemote } from "./remote-models.ts";
import type { EngineIdentity } from "./telemetry/tracing.ts";

/** A configured model as it is at this moment. */
export interface RunningModel {
  readonly name: string;
  /** Absent: that is the affair of an engine elsewhere. */
  readonly slots?: number;
  readonly health: Health;
  /** What it can do and the memory it takes here; absent while nobody knows. */
  readonly facts?: { readonly model: EngineModel; readonly memoryBytes?: number };
  /** Models that answer for it in turn. Absent: it is none of several. */
  readonly replicas?: readonly string[];
  /** The engine that answers for it. Absent: this machine does, or its replicas. */
  readonly elsewhere?: { readonly kind: string; readonly url: string };
}

/** A configured model and who answers for it. */
export interface Served extends ServingEngine {
  readonly weights: ServedWeights;
  readonly running: () => RunningModel;
}

/** One with an engine of its own. */
export interface SingleServed extends Served {
  readonly identity: EngineIdentity;
}

export interface ServedModels {
  readonly local: readonly LocalServed[];
  readonly remote: RemoteModels;
  readonly pools: readonly PoolServed[];
  readonly single: readonly SingleServed[];
  /** In the order of the configuration: the first is who stands in for others. */
  readonly served: readonly Served[];
  readonly directory: ModelDirectory;
}

/** @param observe lays over every engine what counts and traces its requests. */
export function serveModels(
  config: Config,
  {
    shared,
    observe,
  }: { readonly shared: Shared; readonly observe: (engine: Engine, identity: EngineIdentity) => Engine },
): ServedModels {
  const local = serveLocal(config, shared);
  const remote = serveRemote(config, shared.log);
  const single = [
    ...local.map((each): SingleServed => {
      const identity = { name: each.model.name, kind: "llama.cpp" };
      return {
        ...servedLocal(each, observe(each.resident, identity)),
        identity,
        kind: identity.kind,
        prefix: () => (each.engine.known?.model.chat === true ? "rendered" : undefined),
      };
    }),
    ...remote.served.map((each): SingleServed => {
      const { kind, url } = each.config;
      const identity = { name: each.model.name, kind, url };
      const prefix = (): string | undefined => each.engine.known?.peer.prefixSpelling;
      return { ...servedRemote(each, observe(each.engine, identity)), identity, kind, url, prefix };
    }),
  ];
  const pools = servePools(config, (name) => single.find((each) => each.name === name)?.engine, shared.log);
  const served = inOrder(config, [...single, ...pools.map(servedPool)]);
  return { local, remote, pools, single, served, directory: directoryOf(served, config) };
}

function inOrder(config: Config, all: readonly Served[]): readonly Served[] {
  return config.models.flatMap(({ name }) => all.find((each) => each.name === name) ?? []);
}

function servedAs(
  { name, sampling, capabilities, fallbacks }: FileModel | EngineModelConfig | PoolModel,
  engine: Engine,
  running: () => RunningModel,
): Served {
  return {
    name,
    engine,
    weights: { name, engine, sampling, ...capabilities, ...(fallbacks !== undefined && { fallbacks }) },
    running,
  };
}

function servedLocal({ model, engine }: LocalServed, observed: Engine): Served {
  const { name, slots = DEFAULT_SLOTS } = model;
  return servedAs(model, observed, () => {
    const { known } = engine;
    return { name, slots, health: engine.health(), ...(known !== undefined && { facts: known }) };
  });
}

function servedRemote({ model, config: { kind, url }, engine }: RemoteServed, observed: Engine): Served {
  return servedAs(model, observed, () => {
    const { known } = engine;
    const facts = known === undefined ? {} : { facts: { model: known.model } };
    return { name: model.name, health: engine.health(), elsewhere: { kind, url }, ...facts };
  });
}

function servedPool({ model, engine }: PoolServed): Served {
  const replicas = model.replicas.map((replica) => replica.model);
  const served = servedAs(model, engine, () => ({ name: model.name, health: engine.health(), replicas }));
  return { ...served, kind: "pool", replicas: () => engine.poolStats().replicas };
}

function directoryOf(served: readonly Served[], config: Config): ModelDirectory {
  return new ModelDirectory({
    known: config.catalogue.entries,
    lookUp: (name) => config.catalogue.find(name),
    weights: served.map(({ weights }) => weights),
    mappings: config.mappings,
    ...(config.defaultModel !== undefined && { defaultName: config.defaultModel }),
    strict: config.strict,
  });
}
