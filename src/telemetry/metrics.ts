import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Engine, EngineStats } from "../continuation/engine.ts";
import { isAnswered, type RequestRecord, type StreamObserver } from "./request-record.ts";

/** An engine under the name that its metrics carry. */
export interface NamedEngine {
  readonly name: string;
  readonly engine: Engine;
}

/** Most model names that become label values; every further one counts as `other`, so that memory stays bounded. */
const MAX_MODEL_LABELS = 200;

/** Seconds. From a cache hit on a fast machine to a long prompt on a slow one. */
const TTFT_BUCKETS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300];
const GAP_BUCKETS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];
const DURATION_BUCKETS = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600];

/** `value`: undefined where an engine does not count it; then there is no such line for that engine. */
type EngineCounter = readonly [name: string, help: string, value: (stats: EngineStats) => number | undefined];

const GAUGES: readonly EngineCounter[] = [
  ["continuo_engine_queue_depth", "Requests waiting in the engine.", (stats) => stats.queued],
  ["continuo_engine_running", "Requests that occupy a slot.", (stats) => stats.running],
  ["continuo_engine_slots", "Requests that can run at the same time.", (stats) => stats.slots],
];

const COUNTERS: readonly EngineCounter[] = [
  ["continuo_engine_prompt_tokens_total", "Prompt tokens of accepted requests.", (stats) => stats.promptTokens],
  [
    "continuo_engine_cached_prompt_tokens_total",
    "Prompt tokens that needed no evaluation.",
    (stats) => stats.cachedPromptTokens,
  ],
  ["continuo_engine_completion_tokens_total", "Generated tokens.", (stats) => stats.completionTokens],
  ["continuo_engine_drafted_tokens_total", "Tokens guessed ahead.", (stats) => stats.draftedTokens],
  [
    "continuo_engine_accepted_draft_tokens_total",
    "Tokens guessed ahead that became part of an answer.",
    (stats) => stats.acceptedDraftTokens,
  ],
  ["continuo_engine_restarts_total", "Engine processes started after the first.", (stats) => stats.restarts],
  [
    "continuo_engine_hangs_total",
    "Engine processes ended because they made no progress; part of the restarts.",
    (stats) => stats.hangs,
  ],
  ["continuo_engine_resumed_requests_total", "Requests carried over a restart.", (stats) => stats.resumed],
  [
    "continuo_engine_blamed_requests_total",
    "Requests refused because engine processes crashed or hung on them.",
    (stats) => stats.blamed,
  ],
  [
    "continuo_engine_saved_prompt_tokens_total",
    "Prompt tokens not evaluated because of an abort.",
    (stats) => stats.savedPromptTokens,
  ],
  [
    "continuo_engine_saved_completion_tokens_total",
    "Completion tokens not generated because of an abort, at most: counted up to the limit of the request.",
    (stats) => stats.savedCompletionTokens,
  ],
];

/**
 * What Prometheus reads. Names follow the OpenTelemetry conventions for generative models where they have one,
 * translated to Prometheus; the experimental names stay in this file.
 */
export class Metrics {
  readonly registry = new Registry();
  readonly #models = new Set<string>();
  readonly #requests: Counter<"protocol" | "dialect" | "model" | "outcome">;
  readonly #fallbacks: Counter<"model" | "fallback">;
  readonly #remembered: Counter<"model" | "part">;
  readonly #duration: Histogram<"protocol" | "model">;
  readonly #ttft: Histogram<"protocol" | "model">;
  readonly #gap: Histogram<"protocol" | "model">;

  /** @param engines asked at every scrape. */
  constructor(engines: () => readonly NamedEngine[]) {
    const registers = [this.registry];
    const labelNames = ["protocol", "model"] as const;
    this.#requests = new Counter({
      name: "continuo_requests_total",
      help: "Requests by how they ended: ok, partial, superseded, client_left, or the error code.",
      labelNames: ["protocol", "dialect", "model", "outcome"],
      registers,
    });
    this.#fallbacks = new Counter({
      name: "continuo_fallbacks_total",
      help: "Requests that another name answered, because the one that was called could not.",
      labelNames: ["model", "fallback"],
      registers,
    });
    this.#remembered = new Counter({
      name: "continuo_remembered_answers_total",
      help: "Answers that came from memory: the whole answer, or its beginning.",
      labelNames: ["model", "part"],
      registers,
    });
    this.#duration = new Histogram({
      name: "gen_ai_server_request_duration_seconds",
      help: "From the arrival of a request to the end of its answer.",
      labelNames,
      buckets: DURATION_BUCKETS,
      registers,
    });
    this.#ttft = new Histogram({
      name: "gen_ai_server_time_to_first_token_seconds",
      help: "From the arrival of a request to the first text that is shown.",
      labelNames,
      buckets: TTFT_BUCKETS,
      registers,
    });
    this.#gap = new Histogram({
      name: "gen_ai_server_time_per_output_token_seconds",
      help: "Waiting time between two tokens of a request, without the time its reader took.",
      labelNames,
      buckets: GAP_BUCKETS,
      registers,
    });
    registerEngineMetrics(this.registry, engines);
    // The event loop is looked at this often, ms: at the default of 10 an idle server is not quite idle.
    collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: 20 });
  }

  /** Counts a request that has ended; only those of a protocol count. */
  requestEnded(record: RequestRecord, endedAtMs: number): void {
    if (record.protocol === undefined) return;
    const labels = { protocol: record.protocol, model: this.#modelLabel(record) };
    this.#requests.inc({ ...labels, dialect: record.dialect ?? "", outcome: record.outcome });
    if (record.fallback !== undefined && isAnswered(record))
      this.#fallbacks.inc({ model: labels.model, fallback: record.fallback });
    const { remembered: part } = record;
    if (part !== undefined) this.#remembered.inc({ model: labels.model, part });
    this.#duration.observe(labels, (endedAtMs - record.startedAtMs) / 1000);
  }

  /** Where the token times of one request go. */
  observer(record: RequestRecord): StreamObserver {
    const labels = { protocol: record.protocol ?? "", model: this.#modelLabel(record) };
    return {
      firstText: (ttftMs) => this.#ttft.observe(labels, ttftMs / 1000),
      tokenGap: (gapMs, tokens) => {
        for (let token = 0; token < tokens; token++) this.#gap.observe(labels, gapMs / 1000);
      },
    };
  }

  #modelLabel(record: RequestRecord): string {
    if (record.model === undefined || !record.isKnownModel) return "other";
    if (!this.#models.has(record.model) && this.#models.size >= MAX_MODEL_LABELS) return "other";
    this.#models.add(record.model);
    return record.model;
  }
}

function registerEngineMetrics(registry: Registry, engines: () => readonly NamedEngine[]): void {
  for (const [name, help, value] of GAUGES) {
    new Gauge({
      name,
      help,
      labelNames: ["engine"],
      registers: [registry],
      collect() {
        this.reset();
        for (const [engine, figure] of figuresOf(engines(), value)) this.set({ engine }, figure);
      },
    });
  }
  for (const [name, help, value] of COUNTERS) {
    new Counter({
      name,
      help,
      labelNames: ["engine"],
      registers: [registry],
      collect() {
        // The engine counts; this one only repeats its figure.
        this.reset();
        for (const [engine, figure] of figuresOf(engines(), value)) this.inc({ engine }, figure);
      },
    });
  }
  new Counter({
    name: "continuo_engine_aborted_requests_total",
    help: "Aborted requests by where the abort met them.",
    labelNames: ["engine", "phase"],
    registers: [registry],
    collect() {
      this.reset();
      for (const { name: engine, engine: source } of engines()) {
        for (const [phase, count] of Object.entries(source.stats().aborted ?? {})) this.inc({ engine, phase }, count);
      }
    },
  });
}

function figuresOf(engines: readonly NamedEngine[], value: EngineCounter[2]): readonly (readonly [string, number])[] {
  return engines.flatMap(({ name, engine }) => {
    const figure = value(engine.stats());
    return figure === undefined ? [] : [[name, figure] as const];
  });
}
