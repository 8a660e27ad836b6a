import type { MemoryBytes } from "./memory.ts";
import type { StartPart, StreamPart } from "./output.ts";
import type { ContinuationRequest, Sampling } from "./request.ts";

/** The waist: anything that continues text. */
export interface Engine extends AsyncDisposable {
  /** For people and logs. */
  readonly name: string;
  /** What the engine serves; resolves when that is known, rejects when it cannot serve. */
  model(signal: AbortSignal): Promise<EngineModel>;
  /**
   * What `generate` would say first of each of these requests, in their order. Nothing is computed for it. Throws the
   * `ServiceError` of a request that `generate` would refuse. Absent: the engine knows only by trying, as one without a
   * tokenizer does.
   */
  accept?(requests: readonly ContinuationRequest[], signal: AbortSignal): Promise<readonly StartPart[]>;
  /**
   * Stops within one token of an abort. Throws `ServiceError` before the `start` part for whatever is refused.
   *
   * `usage` is the last part of every stream that computed anything. After a failure or an abort the stream says `usage`,
   * with what was computed until then, and throws when it is asked for more: read on to learn what to charge.
   */
  generate(request: ContinuationRequest, signal: AbortSignal): AsyncIterable<StreamPart>;
  health(): Health;
  stats(): EngineStats;
}

/** An engine whose weights come into the memory of this machine and leave it again. */
export interface LocalEngine extends Engine {
  model(signal: AbortSignal): Promise<LocalModel>;
  /** Memory that the weights take when they are loaded. Rejects with `model_unavailable` when they never can be. */
  footprint(): Promise<{ readonly memory: MemoryBytes }>;
  /** Resolves when it serves, rejects with `model_unavailable` when it cannot. */
  load(signal: AbortSignal): Promise<void>;
  /** Resolves when its memory is free. Nothing may be running; what comes later loads the weights again. */
  unload(): Promise<void>;
  stats(): LocalStats;
}

/** What every engine counts. Of the rest one elsewhere says what it knows, and nothing as a guess. */
export type EngineStats = Pick<LocalStats, "running" | "promptTokens" | "completionTokens"> & Partial<LocalStats>;

/** Counters since the start of the server, and gauges of this moment. */
export interface LocalStats {
  /** Gauges. */
  readonly queued: number;
  readonly running: number;
  readonly slots: number;
  /** Counters. */
  readonly promptTokens: number;
  readonly cachedPromptTokens: number;
  readonly completionTokens: number;
  /** Tokens guessed ahead, and those of them that became part of an answer. */
  readonly draftedTokens: number;
  readonly acceptedDraftTokens: number;
  readonly restarts: number;
  /** Times that weights came into memory: what they said before may not be what they say now. Absent: not counted. */
  readonly loads?: number;
  /** Restarts because nothing went on any more. */
  readonly hangs: number;
  /** Requests carried over a restart. */
  readonly resumed: number;
  /** Requests refused because the engine ended with them more than once. */
  readonly blamed: number;
  /** Aborted requests by where the abort met them. */
  readonly aborted: { readonly queued: number; readonly prefill: number; readonly decode: number };
  /** Because of an abort: prompt tokens not evaluated, and completion tokens not generated, these up to the request's limit. */
  readonly savedPromptTokens: number;
  readonly savedCompletionTokens: number;
}

/**
 * `unloaded`: loaded when somebody asks; `loading`: not yet; `ready`: serving; `stalled`: it stopped working and is being
 * started again; `failed`: will not serve without somebody's help. `detail` says more.
 */
export interface Health {
  readonly state: "unloaded" | "loading" | "ready" | "stalled" | "failed";
  readonly detail: string;
}

/** What the weights behind an engine can do. */
export interface EngineModel {
  /** The weights' own name. */
  readonly id: string;
  /** Tokens one request may hold, prompt and answer together. Absent: the engine does not tell. */
  readonly contextTokens?: number;
  /** Family of the fill-in-the-middle layout, if the vocabulary has one. */
  readonly fim?: string;
  /** Messages can be rendered. */
  readonly chat: boolean;
  /** An answer to them can begin with what the caller gives. Absent: as `chat`. */
  readonly partial?: boolean;
  /** Gaps could be filled by instruction, if its operator said so (`emulate: true`). Absent: no. */
  readonly mayEmulate?: boolean;
  /** Token ids are below it. Absent: the engine does not tell. */
  readonly vocabularySize?: number;
  /** Sampling defaults that the weights bring along. */
  readonly defaults: Sampling;
}

/** Of weights in a file of this machine all is known. */
export type LocalModel = EngineModel & Required<Pick<EngineModel, "contextTokens" | "vocabularySize">>;
