import type { Config, EngineModelConfig, FileModel, PoolModel } from "./config.ts";

/** Models that are answered by weights in a file of this machine, in order. */
export function fileModels({ models }: Pick<Config, "models">): readonly FileModel[] {
  return models.filter((model) => model.kind === "file");
}

/** Models that an engine elsewhere answers, in order. */
export function engineModels({ models }: Pick<Config, "models">): readonly EngineModelConfig[] {
  return models.filter((model) => model.kind === "engine");
}

/** Models that several others answer, in order. */
export function poolModels({ models }: Pick<Config, "models">): readonly PoolModel[] {
  return models.filter((model) => model.kind === "pool");
}

/** Names of models whose answers depend on nothing but the request. A pool is as deterministic as each of its replicas. */
export function deterministicModels({ models }: Pick<Config, "models">): ReadonlySet<string> {
  const files = fileModels({ models }).filter(({ deterministic }) => deterministic);
  const names = new Set(files.map(({ name }) => name));
  const pools = poolModels({ models }).filter(({ replicas }) => replicas.every(({ model }) => names.has(model)));
  return new Set([...names, ...pools.map(({ name }) => name)]);
}
