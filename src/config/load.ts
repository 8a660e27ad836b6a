import { basename, dirname } from "node:path";
import { BUILT_IN_NAME } from "../models/built-in.ts";
import type { Catalogue } from "../models/catalog.ts";
import { catalogueFrom, checkCatalogue } from "./catalogue.ts";
import { crossCheck } from "./checks.ts";
import type { Config } from "./config.ts";
import { configFrom } from "./convert.ts";
import { type ConfigDocument, type Path, parseConfigDocument } from "./document.ts";
import { ConfigError } from "./error.ts";
import { explain } from "./explain.ts";
import { configSchema } from "./schema.ts";
import { absolutePath, type Flags, type NamedEngine, type Settings, settingsFrom } from "./settings.ts";
import { isSocketPath } from "./socket-path.ts";
import { defaultDataDir, processSurroundings, type Surroundings } from "./surroundings.ts";

type Raw = Readonly<Record<string, unknown>>;

/**
 * The configuration: flags over environment over file over defaults.
 *
 * Models of the command line (or else of `CONTINUO_MODEL`) are added ahead of those in the file; one with a name that
 * the file has replaces its `file` and keeps its other settings.
 *
 * @throws ConfigError with every problem found.
 */
export function loadConfig(flags: Flags, surroundings: Surroundings = processSurroundings()): Config {
  const settings = settingsFrom(flags, surroundings);
  const file = readDocument(flags, surroundings);
  const typed = merged(normalized(file.document.value, file.directory, surroundings), settings, surroundings);
  const onDisk = modelsOnDisk(dataDirIn(typed, surroundings), surroundings);
  const isName = (path: string): boolean =>
    !surroundings.isFile(path) && [surroundings.cwd, file.directory].includes(dirname(path));
  const raw = withEveryModel(withModelsOnDisk(typed, onDisk, isName), settings);
  const where = places(file.document, settings);

  const parsed = configSchema.safeParse(raw);
  if (!parsed.success) throw new ConfigError(explain(parsed.error, configSchema, raw, where));
  const problems = crossCheck(parsed.data, surroundings, [...filesByName(onDisk).keys()], where);
  if (problems.length > 0) throw new ConfigError(problems);
  return configFrom(parsed.data, {
    defaultDataDir: defaultDataDir(surroundings),
    isDeterministic: parsed.data.deterministic,
    surroundings,
  });
}

/** Where Continuo keeps what it stores, whatever else the configuration says. Throws `ConfigError` for a file that cannot be read. */
export function loadDataDir(
  flags: Pick<Flags, "config" | "dataDir">,
  surroundings: Surroundings = processSurroundings(),
): string {
  return dataDirIn(uncheckedSettings(flags, surroundings).typed, surroundings);
}

/** Where keys and workspaces are, whatever else the configuration says. Throws `ConfigError` for a file or a place that cannot be used. */
export function loadStoreLocation(
  flags: Pick<Flags, "config" | "dataDir">,
  surroundings: Surroundings = processSurroundings(),
): Pick<Config, "dataDir" | "database"> {
  const { typed, where } = uncheckedSettings(flags, surroundings);
  const dataDir = dataDirIn(typed, surroundings);
  const raw = { database: isMapping(typed) ? typed["database"] : undefined };
  const parsed = configSchema.pick({ database: true }).safeParse(raw);
  if (!parsed.success) throw new ConfigError(explain(parsed.error, configSchema, raw, where));
  const { database } = parsed.data;
  return database === undefined ? { dataDir } : { dataDir, database };
}

/** The catalogue, whatever else the configuration says. Throws `ConfigError` for a file or entries that cannot be used. */
export function loadCatalogue(
  flags: Pick<Flags, "config">,
  surroundings: Surroundings = processSurroundings(),
): Catalogue {
  const { typed, where } = uncheckedSettings(flags, surroundings);
  const raw = { catalogue: isMapping(typed) ? typed["catalogue"] : undefined };
  const parsed = configSchema.pick({ catalogue: true }).safeParse(raw);
  if (!parsed.success) throw new ConfigError(explain(parsed.error, configSchema, raw, where));
  const { catalogue } = parsed.data;
  const problems = checkCatalogue(catalogue).map(({ path, message }) => {
    const whole = ["catalogue", ...path];
    return { where: where(whole), field: whole.join("."), message };
  });
  if (problems.length > 0) throw new ConfigError(problems);
  return catalogueFrom(catalogue);
}

/** File, environment and flags together, and where each value came from. */
function uncheckedSettings(
  flags: Pick<Flags, "config" | "dataDir">,
  surroundings: Surroundings,
): { readonly typed: unknown; readonly where: (path: Path) => string } {
  const file = readDocument(flags, surroundings);
  const settings = settingsFrom(flags, surroundings);
  const typed = merged(normalized(file.document.value, file.directory, surroundings), settings, surroundings);
  return { typed, where: places(file.document, settings) };
}

function dataDirIn(typed: unknown, surroundings: Surroundings): string {
  const dataDir = isMapping(typed) ? typed["data_dir"] : undefined;
  return typeof dataDir === "string" && dataDir !== "" ? dataDir : defaultDataDir(surroundings);
}

/** Models that need no path. */
interface ModelsOnDisk {
  /** Name → file. */
  readonly pulled: ReadonlyMap<string, string>;
  /** File of the one in the package; absent: there is none, or something else was pulled under its name. */
  readonly builtIn?: string;
}

function modelsOnDisk(dataDir: string, surroundings: Surroundings): ModelsOnDisk {
  const pulled = surroundings.pulledModels(dataDir);
  const builtIn = pulled.has(BUILT_IN_NAME) ? undefined : surroundings.builtInFile();
  return { pulled, ...(builtIn !== undefined && { builtIn }) };
}

function filesByName({ pulled, builtIn }: ModelsOnDisk): ReadonlyMap<string, string> {
  return builtIn === undefined ? pulled : new Map([...pulled, [BUILT_IN_NAME, builtIn]]);
}

/**
 * The name of a model on the disk in place of a path is its file. When no weights are named at all, all of them are served.
 *
 * @param isName whether a path is a bare name, not one of a file
 */
function withModelsOnDisk(typed: unknown, onDisk: ModelsOnDisk, isName: (path: string) => boolean): unknown {
  if (!isMapping(typed)) return typed;
  const models = typed["models"] ?? {};
  if (!isMapping(models)) return typed;
  if (!Object.values(models).some(isAnswering)) {
    return { ...typed, models: { ...servedUnasked(onDisk, typed["built_in"] !== false), ...models } };
  }
  const files = filesByName(onDisk);
  const located = (entry: unknown): unknown => {
    const path = isMapping(entry) ? entry["file"] : undefined;
    if (!isMapping(entry) || typeof path !== "string" || !isName(path)) return entry;
    const file = files.get(basename(path));
    return file === undefined ? entry : { ...entry, file };
  };
  return { ...typed, models: mapValues(models, located) };
}

/** Whoever pulled something wants that: beside it the model of the package comes last and waits for somebody to ask for it. */
function servedUnasked({ pulled, builtIn }: ModelsOnDisk, withBuiltIn: boolean): Raw {
  const all = Object.fromEntries([...pulled].map(([name, file]) => [name, { file }]));
  if (builtIn === undefined || !withBuiltIn) return all;
  return { ...all, [BUILT_IN_NAME]: { file: builtIn, ...(pulled.size > 0 && { load: "first_use" }) } };
}

interface ConfigSource {
  readonly document: ConfigDocument;
  /** Relative paths in the file start here. */
  readonly directory: string;
}

function readDocument(flags: Flags, surroundings: Surroundings): ConfigSource {
  const named = flags.config ?? (surroundings.env["CONTINUO_CONFIG"] || undefined);
  if (named === undefined) return { document: { value: {}, where: () => "default" }, directory: surroundings.cwd };
  const path = absolutePath(named, surroundings.cwd, surroundings.home);
  let source: string;
  try {
    source = surroundings.readFile(path);
  } catch (cause) {
    const where = flags.config === undefined ? "CONTINUO_CONFIG" : "--config";
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError([{ where, field: "", message: `cannot read ${path} (${reason}); check the path` }]);
  }
  return { document: parseConfigDocument(source, named), directory: dirname(path) };
}

/**
 * Short forms written out, paths made absolute, keys without a value (all below them commented out) left away;
 * whatever has an unexpected shape is left for the schema to refuse.
 */
function normalized(document: unknown, directory: string, { home }: Surroundings): unknown {
  if (!isMapping(document)) return document;
  const value: Raw = Object.fromEntries(Object.entries(document).filter(([, entry]) => entry !== null));
  const absolute = (path: unknown): unknown =>
    typeof path === "string" && path !== "" ? absolutePath(path, directory, home) : path;
  const model = (entry: unknown): unknown => {
    if (typeof entry === "string") return { file: absolute(entry) };
    return isMapping(entry) && "file" in entry ? { ...entry, file: absolute(entry["file"]) } : entry;
  };
  const key = (entry: unknown): unknown => (typeof entry === "string" ? { key: entry } : entry);
  const { host, models, engines, api_keys: keys, admin_keys: adminKeys, data_dir: dataDir } = value;
  const engine = (entry: unknown): unknown =>
    isMapping(entry) && isMapping(entry["tls"]) ? { ...entry, tls: mapValues(entry["tls"], absolute) } : entry;
  return {
    ...value,
    ...(typeof host === "string" && isSocketPath(host) ? { host: absolute(host) } : {}),
    ...(dataDir === undefined ? {} : { data_dir: absolute(dataDir) }),
    ...(isMapping(models) ? { models: mapValues(models, model) } : {}),
    ...(isMapping(engines) ? { engines: mapValues(engines, engine) } : {}),
    ...(Array.isArray(keys) ? { api_keys: keys.map(key) } : {}),
    ...(Array.isArray(adminKeys) ? { admin_keys: adminKeys.map(key) } : {}),
  };
}

function merged(file: unknown, settings: Settings, { cwd, home }: Surroundings): unknown {
  if (!isMapping(file)) return file;
  const top: Record<string, unknown> = { ...file };
  for (const [key, { value }] of settings.top) {
    const isPath = typeof value === "string" && (key === "data_dir" || (key === "host" && isSocketPath(value)));
    top[key] = isPath ? absolutePath(value, cwd, home) : value;
  }
  const inFile = top["models"] ?? {};
  if (!isMapping(inFile)) return top;
  const added = settings.models.map(({ name, file: path }): [string, unknown] => {
    const entry = inFile[name];
    return [name, isMapping(entry) ? { ...without(entry, "use", "engine", "model"), file: path } : { file: path }];
  });
  const models = { ...Object.fromEntries(added), ...without(inFile, ...added.map(([name]) => name)) };
  return withEngines(top, models, settings.engines);
}

/** Engines of the command line come behind everything that is named in other ways, each as a model of its own name. */
function withEngines(top: Raw, models: Raw, engines: readonly NamedEngine[]): Raw {
  const inFile = top["engines"] ?? {};
  if (!isMapping(inFile) || engines.length === 0) return { ...top, models };
  const entries = engines.map(({ name, kind, url }): [string, unknown] => {
    const entry = inFile[name];
    return [name, isMapping(entry) ? { ...entry, kind, url } : { kind, url }];
  });
  const named = engines.filter(({ name }) => !(name in models)).map(({ name }) => [name, { engine: name }] as const);
  return {
    ...top,
    engines: { ...inFile, ...Object.fromEntries(entries) },
    models: { ...models, ...Object.fromEntries(named) },
  };
}

/** Settings for every model, laid over what each one says itself. */
function withEveryModel(raw: unknown, { everyModel }: Settings): unknown {
  if (!isMapping(raw) || !isMapping(raw["models"])) return raw;
  const forEach = Object.fromEntries([...everyModel].map(([key, { value }]) => [key, value]));
  return { ...raw, models: mapValues(raw["models"], (entry) => (isWeights(entry) ? { ...entry, ...forEach } : entry)) };
}

/** Where the value at a path came from. */
function places(document: ConfigDocument, settings: Settings): (path: Path) => string {
  return (path) => {
    const [first, name, key] = path;
    const top = settings.top.get(String(first));
    if (top !== undefined) return top.where;
    const engine = settings.engines.find((candidate) => candidate.name === name);
    if (engine !== undefined && (first === "engines" || first === "models")) return engine.where;
    if (first !== "models") return document.where(path);
    const flag = settings.everyModel.get(String(key));
    if (flag !== undefined) return flag.where;
    const model = settings.models.find((candidate) => candidate.name === name);
    return model !== undefined && (key === undefined || key === "file") ? model.where : document.where(path);
  };
}

function isMapping(value: unknown): value is Raw {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isAnswering(entry: unknown): entry is Raw {
  return isMapping(entry) && !("use" in entry);
}

/** Of this machine. */
function isWeights(entry: unknown): entry is Raw {
  return isAnswering(entry) && !("engine" in entry) && !("replicas" in entry);
}

function mapValues(mapping: Raw, change: (value: unknown) => unknown): Raw {
  return Object.fromEntries(Object.entries(mapping).map(([key, value]) => [key, change(value)]));
}

function without(mapping: Raw, ...keys: readonly string[]): Raw {
  return Object.fromEntries(Object.entries(mapping).filter(([key]) => !keys.includes(key)));
}
