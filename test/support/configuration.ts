/** Configurations read in made-up surroundings: `/etc/continuo/c.yaml`, a few models, and what was pulled. */
import type { Config } from "../../src/config/config.ts";
import { ConfigError } from "../../src/config/error.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Flags } from "../../src/config/settings.ts";
import type { Surroundings } from "../../src/config/surroundings.ts";

const FILES = [
  "/etc/continuo/a.gguf",
  "/etc/continuo/b.gguf",
  "/srv/tiny.gguf",
  "/srv/other.gguf",
  "/srv/x=y.gguf",
  "/srv/big-q4_k_m-00001-of-00002.gguf",
];

/** By data directory. */
const PULLED: Readonly<Record<string, readonly string[]>> = {
  "/data": ["qwen2.5-coder-0.5b-instruct", "mine"],
};

/**
 * @param source text of the configuration file
 * @param builtIn path of the model in the package
 */
export function surroundings(source = "", env: Record<string, string> = {}, builtIn?: string): Surroundings {
  return {
    env,
    cwd: "/srv",
    home: "/home/me",
    platform: "linux",
    readFile: (path) => {
      if (path !== "/etc/continuo/c.yaml") throw new Error("ENOENT");
      return source;
    },
    isFile: (path) => FILES.includes(path) || path.endsWith("/weights.gguf"),
    pulledModels: (dataDir) =>
      new Map((PULLED[dataDir] ?? []).map((name) => [name, `${dataDir}/models/${name}/weights.gguf`])),
    builtInFile: () => builtIn,
  };
}

/** Names the configuration file. */
export const FLAGS: Flags = { config: "/etc/continuo/c.yaml" };

/** What a configuration file says, under flags and variables. */
export function load(source: string, flags: Flags = {}, env: Record<string, string> = {}): Config {
  return loadConfig({ ...FLAGS, ...flags }, surroundings(source, env));
}

/** Line by line; none where the configuration is right. */
export function problems(source: string, flags: Flags = {}, env: Record<string, string> = {}): string[] {
  try {
    load(source, flags, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split("\n");
    throw error;
  }
  return [];
}
