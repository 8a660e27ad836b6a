import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { builtInModel } from "../models/built-in.ts";
import { ModelStore } from "../models/store.ts";

/** What the configuration is read from, besides the flags; tests hand in their own. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute path: relative paths of flags and variables start here. */
  readonly cwd: string;
  readonly home: string;
  readonly platform: NodeJS.Platform;
  /** The text of a file; throws what the file system throws. */
  readFile(path: string): string;
  isFile(path: string): boolean;
  /** Names of the pulled models → absolute path of the file to load. */
  pulledModels(dataDir: string): ReadonlyMap<string, string>;
  /** Absolute path of the model that comes with the package; undefined: this package has none. */
  builtInFile(): string | undefined;
}

/** This process. */
export function processSurroundings(): Surroundings {
  return {
    env: process.env,
    cwd: process.cwd(),
    home: homedir(),
    platform: process.platform,
    readFile: (path) => readFileSync(path, "utf8"),
    isFile: (path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true,
    pulledModels: (dataDir) =>
      new Map(new ModelStore(dataDir).list().map(({ manifest, file }) => [manifest.name, file])),
    builtInFile: () => builtInModel()?.file,
  };
}

/** Where programs keep their data: XDG on Linux, Application Support on macOS, LOCALAPPDATA on Windows. */
export function defaultDataDir({ env, home, platform }: Surroundings): string {
  if (platform === "darwin") return join(home, "Library", "Application Support", "continuo");
  if (platform === "win32") return join(env["LOCALAPPDATA"] || join(home, "AppData", "Local"), "continuo");
  return join(env["XDG_DATA_HOME"] || join(home, ".local", "share"), "continuo");
}
