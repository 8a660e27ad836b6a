import type { FimLayout } from "../continuation/fim.ts";
import type { Sampling } from "../continuation/request.ts";
import type { PrefixSpelling } from "../engines/remote/peer.ts";
import type { UpstreamLimits } from "../engines/remote/transport.ts";
import type { HttpLimits } from "../http/limits.ts";
import type { Catalogue } from "../models/catalog.ts";
import type { HedgeOptions } from "../pool/hedge.ts";
import type { PolicyName } from "../pool/policy.ts";
import type { TypingOptions } from "../typing/typing.ts";

/** Everything the operator decides, merged from flags, environment and file, checked, with every default filled in. */
export interface Config {
  /** Address to listen on; a loopback address unless there are keys of either kind, here or in the database. Or the absolute path of a Unix socket. */
  readonly host: string;
  /** 0 takes any free port. Without meaning on a Unix socket. */
  readonly port: number;
  /** Permissions of the Unix socket. */
  readonly socketMode: number;
  /** Names besides this machine's that a server without keys answers to; `*.example.org` for all below one, `*` for all. */
  readonly allowedHosts: readonly string[];
  /** Absolute path. */
  readonly dataDir: string;
  /** `postgres://…` or `memory`; absent: a file in `dataDir`. May carry a password. */
  readonly database?: string;
  /** Keys that may call, besides those in the database. */
  readonly apiKeys: readonly ApiKey[];
  /** Keys that may change keys, workspaces and grants over HTTP, and call no model. */
  readonly adminKeys: readonly ApiKey[];
  /** Id of the default workspace, to which the keys above belong. */
  readonly workspace: string;
  /** Only mapped names are answered; without it every catalogue name has a stand-in. */
  readonly strict: boolean;
  /** Name in `models` that answers to names without a mapping. */
  readonly defaultModel?: string;
  /** In order: those of the command line first. Their names are unique. */
  readonly models: readonly ModelConfig[];
  /** Engines elsewhere, which models name. */
  readonly engines: readonly EngineConfig[];
  /** Public name -> name of a model that is no `use` itself: `use` entries and aliases. */
  readonly mappings: ReadonlyMap<string, string>;
  /** Names that exist without an entry in `models`: those of the package and the operator's own. */
  readonly catalogue: Catalogue;
  /** Memory that all loaded models together may take; absent: chosen for the machine. */
  readonly memoryBudget?: MemoryBudget;
  /** Libraries to compute with. */
  readonly engine: "auto" | "cpu" | "cuda" | "vulkan";
  /** Fill-in-the-middle layouts to know besides the built-in ones; one of the same family takes the built-in one's place. */
  readonly fimLayouts: readonly FimLayout[];
  readonly limits: LimitsConfig;
  /** What is done for callers who type. */
  readonly typing: TypingOptions;
  /** Sites besides this machine whose pages may call; `scheme://*` for all of a scheme, `*` for all. */
  readonly corsOrigins: readonly string[];
  readonly logLevel: LogLevel;
}

export interface ApiKey {
  readonly key: string;
  /** What logs call it; the key itself is never logged. */
  readonly label: string;
}

/** In bytes, or as a part of the memory that is free at start, above 0. */
export type MemoryBudget = { readonly bytes: number } | { readonly part: number };

/** A name under `models`, by who answers to it. */
export type ModelConfig = FileModel | EngineModelConfig | PoolModel | UseModel;

/** Another model does. */
export interface UseModel {
  readonly kind: "use";
  readonly name: string;
  readonly use: string;
}

/** Several other models with the same weights do. */
export interface PoolModel {
  readonly kind: "pool";
  readonly name: string;
  /** Names of models in a file or of an engine; weights above 0. */
  readonly replicas: readonly { readonly model: string; readonly weight: number }[];
  readonly policy: PolicyName;
  readonly maxResumes: number;
  readonly hedge?: HedgeOptions;
  /** Names that answer in its place, best first. Absent: none. */
  readonly fallbacks?: readonly string[];
  readonly sampling: Sampling;
  readonly capabilities: CapabilityOverrides;
}

/** An engine elsewhere does. */
export interface EngineModelConfig {
  readonly kind: "engine";
  readonly name: string;
  /** Its name among `engines`. */
  readonly engine: string;
  /** The engine's name of the model; absent: the first that it lists. */
  readonly model?: string;
  /** Where the engine does not tell. */
  readonly contextTokens?: number;
  /** Family of the fill-in-the-middle layout; false: none. Absent: what the engine's vocabulary shows. */
  readonly fim?: string | false;
  /** Ask by instructions for what the engine cannot do. */
  readonly emulate?: boolean;
  /** It thinks unless it is told not to; absent: what the engine tells. */
  readonly thinking?: boolean;
  /** Names that answer in its place, best first. Absent: none. */
  readonly fallbacks?: readonly string[];
  /** Sent where a request does not choose. */
  readonly sampling: Sampling;
  readonly capabilities: CapabilityOverrides;
}

/** How an engine elsewhere is reached. */
export interface EngineConfig {
  readonly name: string;
  readonly kind: string;
  readonly url: string;
  /** A secret. */
  readonly apiKey?: string;
  /** PEM texts; the key is a secret. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly limits: UpstreamLimits;
  readonly prefix?: PrefixSpelling;
  readonly fields: ReadonlySet<string>;
}

/** Weights in a file, and how to run them. Absent numbers are chosen by the engine to fit the machine. */
export interface FileModel {
  readonly kind: "file";
  readonly name: string;
  /** Absolute path of a GGUF file, of its first shard if it has several. */
  readonly file: string;
  /** Tokens one slot holds, prompt and answer together. */
  readonly contextTokens?: number;
  /** Requests that run at the same time. */
  readonly slots?: number;
  readonly threads?: number;
  /** Same seed and request, same text, whatever runs beside it. */
  readonly deterministic: boolean;
  /** Family of the fill-in-the-middle layout; false: none. Absent: detected from the vocabulary. */
  readonly fim?: string | false;
  /** Absent: at start if there is room, else on first use. */
  readonly load?: "start" | "first_use";
  /** Idle time after which it is unloaded; infinite: never. */
  readonly keepAliveMs: number;
  /** Layers that go to a GPU; absent: all. */
  readonly gpuLayers?: number;
  /** For requests that do not choose; absent: where the input and the weights gain by it. */
  readonly tokenHealing?: boolean;
  /** Prompt-lookup drafts for requests that do not choose. */
  readonly speculation: boolean;
  /** Names that answer in its place, best first. Absent: none. */
  readonly fallbacks?: readonly string[];
  /** Laid over the weights' own sampling defaults, field by field. */
  readonly sampling: Sampling;
  readonly capabilities: CapabilityOverrides;
}

/** Absent: from the catalogue for its names, from the weights for all others. */
export interface CapabilityOverrides {
  readonly completions?: boolean;
  readonly partial?: boolean;
  readonly maxInputTokens?: number;
  readonly maxOutputTokens?: number;
}

/** Bounds of one server. A time of 0 sets no bound. */
export interface LimitsConfig extends HttpLimits {
  /** Longest time an engine process may go without progress before it is killed; fast ones are given less. */
  readonly engineTimeoutMs: number;
  /** Requests waiting per model; one more is refused. */
  readonly queueLength: number;
  /** Running requests may finish within this time after a stop was asked for. */
  readonly drainGraceMs: number;
}

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";
