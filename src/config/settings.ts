/**
 * The settings that come from the command line or the environment, and the places they came from.
 *
 * They are texts as a person typed them; what looks like a number is made one, and the schema judges the rest.
 */
import { basename, delimiter, resolve } from "node:path";
import { ConfigError } from "./error.ts";
import type { Surroundings } from "./surroundings.ts";

/** Flags as commander hands them over. */
export interface Flags {
  readonly config?: string;
  readonly host?: string;
  readonly port?: string;
  readonly socketMode?: string;
  readonly allowedHost?: readonly string[];
  readonly corsOrigin?: readonly string[];
  readonly dataDir?: string;
  /** `FILE` or `NAME=FILE`, one per flag. */
  readonly model?: readonly string[];
  readonly strict?: boolean;
  readonly deterministic?: boolean;
  readonly logLevel?: string;
  /** For every model, over what its entry in the file says. */
  readonly slots?: string;
  readonly context?: string;
  readonly threads?: string;
  readonly load?: string;
  readonly keepAlive?: string;
  readonly memoryBudget?: string;
  /** `auto`, `cpu`, `cuda`, `vulkan`, or `KIND=URL`, one per flag. */
  readonly engine?: readonly string[];
  readonly gpuLayers?: string;
}

/** A value and where it came from: `--port` or `CONTINUO_PORT`. */
export interface Setting {
  readonly value: unknown;
  readonly where: string;
}

export interface NamedFile {
  readonly name: string;
  /** Absolute path. */
  readonly file: string;
  readonly where: string;
}

/** An engine elsewhere, named after its kind. */
export interface NamedEngine {
  readonly name: string;
  readonly kind: string;
  readonly url: string;
  readonly where: string;
}

export interface Settings {
  /** Top-level keys of the file, in its spelling. */
  readonly top: ReadonlyMap<string, Setting>;
  readonly models: readonly NamedFile[];
  readonly engines: readonly NamedEngine[];
  /** Keys of every model. */
  readonly everyModel: ReadonlyMap<string, Setting>;
}

/** Flags over environment. Empty variables count as not set. Throws `ConfigError` for two models of one name. */
export function settingsFrom(flags: Flags, surroundings: Surroundings): Settings {
  const variable = (name: string): string | undefined => surroundings.env[name] || undefined;
  const top = new Map<string, Setting>();
  const everyModel = new Map<string, Setting>();
  const put = (into: Map<string, Setting>, key: string, where: string, value: unknown): void => {
    if (value !== undefined) into.set(key, { value, where });
  };

  put(top, "host", "CONTINUO_HOST", variable("CONTINUO_HOST"));
  put(top, "port", "CONTINUO_PORT", numeric(variable("CONTINUO_PORT")));
  put(top, "socket_mode", "CONTINUO_SOCKET_MODE", variable("CONTINUO_SOCKET_MODE"));
  put(top, "allowed_hosts", "CONTINUO_ALLOWED_HOSTS", listed(variable("CONTINUO_ALLOWED_HOSTS")));
  put(top, "cors_origins", "CONTINUO_CORS_ORIGINS", listed(variable("CONTINUO_CORS_ORIGINS")));
  put(top, "data_dir", "CONTINUO_DATA_DIR", variable("CONTINUO_DATA_DIR"));
  put(top, "database", "CONTINUO_DATABASE", variable("CONTINUO_DATABASE"));
  const key = variable("CONTINUO_API_KEY");
  put(top, "api_keys", "CONTINUO_API_KEY", key === undefined ? undefined : [{ key, label: "CONTINUO_API_KEY" }]);

  const adminKey = variable("CONTINUO_ADMIN_KEY");
  const adminKeys = adminKey === undefined ? undefined : [{ key: adminKey, label: "CONTINUO_ADMIN_KEY" }];
  put(top, "admin_keys", "CONTINUO_ADMIN_KEY", adminKeys);

  put(top, "memory_budget", "CONTINUO_MEMORY_BUDGET", variable("CONTINUO_MEMORY_BUDGET"));
  put(top, "keep_alive", "CONTINUO_KEEP_ALIVE", variable("CONTINUO_KEEP_ALIVE"));
  const engines = enginesFrom(flags.engine, listed(variable("CONTINUO_ENGINE")));
  put(top, "engine", engines.where, engines.libraries);

  put(top, "host", "--host", flags.host);
  put(top, "port", "--port", numeric(flags.port));
  put(top, "socket_mode", "--socket-mode", flags.socketMode);
  put(top, "allowed_hosts", "--allowed-host", flags.allowedHost);
  put(top, "cors_origins", "--cors-origin", flags.corsOrigin);
  put(top, "data_dir", "--data-dir", flags.dataDir);
  put(top, "log_level", "--log-level", flags.logLevel);
  put(top, "strict", "--strict", flags.strict);
  put(top, "load", "--load", flags.load);
  put(top, "keep_alive", "--keep-alive", flags.keepAlive);
  put(top, "memory_budget", "--memory-budget", flags.memoryBudget);
  put(top, "gpu_layers", "--gpu-layers", numeric(flags.gpuLayers));
  put(everyModel, "deterministic", "--deterministic", flags.deterministic);
  put(everyModel, "slots", "--slots", numeric(flags.slots));
  put(everyModel, "context", "--context", numeric(flags.context));
  put(everyModel, "threads", "--threads", numeric(flags.threads));
  const models = modelsFrom(flags, variable("CONTINUO_MODEL"), surroundings);
  return { top, models, engines: engines.elsewhere, everyModel };
}

interface Engines {
  readonly where: string;
  /** What local models compute with. */
  readonly libraries?: string;
  readonly elsewhere: readonly NamedEngine[];
}

/** Flags over the variable, each of which may name both kinds. */
function enginesFrom(flags: readonly string[] | undefined, variable: readonly string[] | undefined): Engines {
  const where = flags === undefined ? "CONTINUO_ENGINE" : "--engine";
  const texts = flags ?? variable ?? [];
  const libraries = texts.findLast((text) => !text.includes("="));
  const counts = new Map<string, number>();
  const elsewhere = texts.flatMap((text): NamedEngine[] => {
    const sign = text.indexOf("=");
    if (sign < 0) return [];
    const [kind, url] = [text.slice(0, sign), text.slice(sign + 1)];
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    return [{ name: count === 1 ? kind : `${kind}-${count}`, kind, url, where: `${where} ${text}` }];
  });
  return { where, elsewhere, ...(libraries !== undefined && { libraries }) };
}

function modelsFrom(flags: Flags, fromEnvironment: string | undefined, surroundings: Surroundings): NamedFile[] {
  const typed =
    flags.model === undefined
      ? splitVariable(fromEnvironment, surroundings).map((text) => ({ text, where: "CONTINUO_MODEL" }))
      : flags.model.map((text) => ({ text, where: `--model ${text}` }));
  const models = typed.map(({ text, where }) => ({ ...nameFile(text, surroundings), where }));
  const twice = models.find((model, index) => models.findIndex(({ name }) => name === model.name) !== index);
  if (twice !== undefined) {
    const message = `two models are named "${twice.name}"; give one of them another name with NAME=FILE`;
    throw new ConfigError([{ where: twice.where, field: "", message }]);
  }
  return models;
}

/** `FILE`, named after itself, or `NAME=FILE`; a file whose own path has the sign is taken as it stands. */
function nameFile(text: string, surroundings: Surroundings): { readonly name: string; readonly file: string } {
  const whole = absolutePath(text, surroundings.cwd, surroundings.home);
  const sign = text.indexOf("=");
  if (sign < 0 || surroundings.isFile(whole)) return { name: nameOfFile(whole), file: whole };
  return { name: text.slice(0, sign), file: absolutePath(text.slice(sign + 1), surroundings.cwd, surroundings.home) };
}

/** Without `.gguf` and the number of a shard; blanks, which names must not have, become `-`. */
export function nameOfFile(file: string): string {
  return basename(file)
    .replace(/\.gguf$/i, "")
    .replace(/-\d{5}-of-\d{5}$/, "")
    .replaceAll(/\s+/g, "-");
}

/** Several are separated as in PATH, by `:` (on Windows `;`). */
function splitVariable(text: string | undefined, surroundings: Surroundings): string[] {
  if (text === undefined) return [];
  if (surroundings.isFile(absolutePath(text, surroundings.cwd, surroundings.home))) return [text];
  return text.split(delimiter).filter((part) => part !== "");
}

/** `~/` is the home directory; anything relative starts at `base`. */
export function absolutePath(path: string, base: string, home: string): string {
  if (path === "~") return home;
  if (path.startsWith("~/") || path.startsWith("~\\")) return resolve(home, path.slice(2));
  return resolve(base, path);
}

function numeric(text: string | undefined): unknown {
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : text;
}

function listed(text: string | undefined): string[] | undefined {
  return text
    ?.split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}
