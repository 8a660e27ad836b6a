import type { Config, FileModel } from "./config.ts";

/** Models that are answered by weights in a file of this machine, in order. */
export function fileModels({ models }: Pick<Config, "models">): readonly FileModel[] {
  return models.filter((model) => model.kind === "file");
}
