import type { FimLayout } from "../continuation/fim.ts";
import type { HedgeOptions } from "../pool/hedge.ts";
import type { TypingOptions } from "../typing/typing.ts";
import { catalogueFrom } from "./catalogue.ts";
import type { ApiKey, Config, EngineConfig, LimitsConfig, MemoryBudget, ModelConfig, PoolModel } from "./config.ts";
import type { EngineEntry } from "./engine-schema.ts";
import type { ModelEntry } from "./model-schema.ts";
import { present } from "./present.ts";
import { samplingFrom } from "./sampling.ts";
import type { ConfigFile } from "./schema.ts";
import type { Surroundings } from "./surroundings.ts";

/** This user alone. */
const DEFAULT_SOCKET_MODE = "0600";

export interface ConvertOptions {
  /** Used when the file names none. */
  readonly defaultDataDir: string;
  /** For models that do not say themselves. */
  readonly isDeterministic: boolean;
  /** For keys and certificates that stand elsewhere. */
  readonly surroundings: Pick<Surroundings, "env" | "readFile">;
}

/** The checked file as the program uses it: camelCase, maps, defaults that depend on the machine. */
export function configFrom(
  file: ConfigFile,
  { defaultDataDir, isDeterministic, surroundings }: ConvertOptions,
): Config {
  const entries = Object.entries(file.models);
  const mappings = new Map<string, string>();
  for (const [name, entry] of entries) {
    if (entry.use !== undefined) mappings.set(name, entry.use);
    for (const alias of entry.aliases ?? []) mappings.set(alias, name);
  }
  const defaultModel = file.default === undefined ? undefined : (mappings.get(file.default) ?? file.default);
  return {
    host: file.host,
    port: file.port,
    socketMode: Number.parseInt(file.socket_mode ?? DEFAULT_SOCKET_MODE, 8),
    allowedHosts: file.allowed_hosts,
    dataDir: file.data_dir ?? defaultDataDir,
    ...(file.database === undefined ? {} : { database: file.database }),
    apiKeys: labelled(file.api_keys),
    adminKeys: labelled(file.admin_keys),
    workspace: file.workspace,
    strict: file.strict,
    ...(defaultModel === undefined ? {} : { defaultModel }),
    models: entries.flatMap(([name, entry]) => modelFrom(name, entry, file, isDeterministic)),
    engines: Object.entries(file.engines).map(([name, entry]) => engineFrom(name, entry, surroundings)),
    mappings,
    catalogue: catalogueFrom(file.catalogue),
    ...(file.memory_budget === undefined ? {} : { memoryBudget: budgetFrom(file.memory_budget) }),
    engine: file.engine,
    fimLayouts: Object.entries(file.fim_layouts).map(([family, layout]) => layoutFrom(family, layout)),
    limits: limitsFrom(file.limits),
    typing: typingFrom(file.typing),
    corsOrigins: file.cors_origins,
    logLevel: file.log_level,
  };
}

function labelled(keys: ConfigFile["api_keys"]): readonly ApiKey[] {
  return keys.map(({ key, label }, index) => ({ key, label: label ?? `key ${index + 1}` }));
}

function modelFrom(name: string, entry: ModelEntry, file: ConfigFile, deterministic: boolean): ModelConfig[] {
  const { file: path, use, capabilities = {} } = entry;
  if (use !== undefined) return [{ kind: "use", name, use }];
  const asked = {
    name,
    ...present({ fallbacks: entry.fallbacks }),
    sampling: samplingFrom(entry.sampling),
    capabilities: present({
      completions: capabilities.completions,
      partial: capabilities.partial,
      maxInputTokens: capabilities.max_input_tokens,
      maxOutputTokens: capabilities.max_output_tokens,
    }),
  };
  if (entry.replicas !== undefined) return [{ kind: "pool", ...asked, ...poolFrom(entry, entry.replicas) }];
  const shared = { ...asked, ...present({ contextTokens: entry.context, fim: entry.fim }) };
  if (entry.engine !== undefined) {
    const { model, emulate, thinking } = entry;
    return [{ kind: "engine", engine: entry.engine, ...shared, ...present({ model, emulate, thinking }) }];
  }
  if (path === undefined) return []; // the checks have refused it
  return [
    {
      kind: "file",
      ...shared,
      file: path,
      deterministic: entry.deterministic ?? deterministic,
      speculation: entry.speculation ?? file.speculation,
      keepAliveMs: durationMs(String(entry.keep_alive ?? file.keep_alive)),
      ...present({
        slots: entry.slots,
        threads: entry.threads,
        load: entry.load ?? file.load,
        gpuLayers: entry.gpu_layers ?? file.gpu_layers,
        tokenHealing: entry.token_healing ?? file.token_healing,
      }),
    },
  ];
}

const DEFAULT_MAX_RESUMES = 3;

function poolFrom(
  { policy = "least_loaded", max_resumes: maxResumes = DEFAULT_MAX_RESUMES, hedge }: ModelEntry,
  replicas: NonNullable<ModelEntry["replicas"]>,
): Pick<PoolModel, "replicas" | "policy" | "maxResumes" | "hedge"> {
  const weighted = replicas.map((each) => (typeof each === "string" ? { model: each, weight: 1 } : each));
  return { replicas: weighted, policy, maxResumes, ...(hedge !== undefined && { hedge: hedgeFrom(hedge) }) };
}

function hedgeFrom({ after, share }: NonNullable<ModelEntry["hedge"]>): HedgeOptions {
  const isPercentile = after.startsWith("p");
  return { after: isPercentile ? { percentile: Number(after.slice(1)) } : { ms: durationMs(after) }, share };
}

/** Of an entry whose files and variable the checks have found. */
function engineFrom(
  name: string,
  { kind, url, api_key_env: variable, tls, timeouts, prefix, fields }: EngineEntry,
  { env, readFile }: ConvertOptions["surroundings"],
): EngineConfig {
  const read = (path: string | undefined): string | undefined => (path === undefined ? undefined : readFile(path));
  return {
    name,
    kind,
    url,
    limits: {
      connectMs: timeouts.connect_ms,
      firstTokenMs: timeouts.first_token_ms,
      idleMs: timeouts.idle_ms,
      totalMs: timeouts.total_ms,
    },
    fields: new Set(fields),
    ...present({
      apiKey: variable === undefined ? undefined : env[variable],
      tls: tls === undefined ? undefined : present({ ca: read(tls.ca), cert: read(tls.cert), key: read(tls.key) }),
      prefix,
    }),
  };
}

function layoutFrom(family: string, layout: ConfigFile["fim_layouts"][string]): FimLayout {
  const { prefix, suffix, order, end, pad } = layout;
  const ends = pad === undefined ? end : [...end, pad];
  const optional = present({
    middle: layout.middle,
    behindMiddle: layout.behind_middle,
    gapEnd: layout.gap_end,
    endBias: layout.end_bias,
    repoName: layout.repo_name,
    fileSep: layout.file_sep,
    healing: layout.healing,
  });
  return { family, prefix, suffix, order, ends, ...optional };
}

function limitsFrom(limits: ConfigFile["limits"]): LimitsConfig {
  return {
    bodyBytes: limits.body_bytes,
    plainTimeoutMs: limits.plain_timeout_ms,
    firstTokenTimeoutMs: limits.first_token_timeout_ms,
    idleTimeoutMs: limits.idle_timeout_ms,
    headersTimeoutMs: limits.headers_timeout_ms,
    requestTimeoutMs: limits.request_timeout_ms,
    keepAliveTimeoutMs: limits.keep_alive_timeout_ms,
    stallTimeoutMs: limits.stall_timeout_ms,
    heartbeatMs: limits.heartbeat_ms,
    promptConcurrency: limits.prompt_concurrency,
    engineTimeoutMs: limits.engine_timeout_ms,
    queueLength: limits.queue_length,
    drainGraceMs: limits.drain_grace_ms,
  };
}

function typingFrom(typing: ConfigFile["typing"]): TypingOptions {
  return {
    supersede: { document: typing.supersede_document, user: typing.supersede_user, prefix: typing.supersede_prefix },
    memory: typing.memory,
    memoryBytes: typing.memory_bytes,
    memoryMs: typing.memory_ms,
  };
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Of a text that the schema has checked. */
function durationMs(text: string): number {
  if (text === "never" || text === "-1") return Number.POSITIVE_INFINITY;
  const parts = text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g);
  return [...parts].reduce((sum, [, count, unit = ""]) => sum + Number(count) * (UNIT_MS[unit] ?? 0), 0);
}

const PREFIXES = "kMGT";

/** Of a text that the schema has checked. */
function budgetFrom(text: string): MemoryBudget {
  const value = Number.parseFloat(text);
  if (text.endsWith("%")) return { part: value / 100 };
  const [, prefix = "", binary = ""] = /([kMGT]?)(i?)B$/i.exec(text) ?? [];
  const power = PREFIXES.toUpperCase().indexOf(prefix.toUpperCase()) + 1;
  return { bytes: value * (binary === "" ? 1000 : 1024) ** (prefix === "" ? 0 : power) };
}
