import { randomBytes } from "node:crypto";
import type { Engine, EngineModel, EngineStats, Health } from "../../continuation/engine.ts";
import type { FimLayout } from "../../continuation/fim.ts";
import { lower } from "../../continuation/lower.ts";
import type { StreamPart } from "../../continuation/output.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";
import { ServiceError } from "../../errors.ts";
import { type Death, EngineProcess, type EngineProcessEvents } from "./engine-process.ts";
import { Job } from "./job.ts";
import type { EngineOptions, FromEngine, GenerateMessage, SchedulerStats } from "./messages.ts";
import { addStats, NO_STATS } from "./stats.ts";
import { describeWeights, type LoadedWeights } from "./weights.ts";

export interface LlamaEngineOptions {
  /** The weights' name, as configured or read off the file. */
  readonly name: string;
  /** A GGUF file; with shards, the first. */
  readonly path: string;
  readonly engine: EngineOptions;
  readonly fimLayouts: readonly FimLayout[];
  /** A family of `fimLayouts`, or false for none; absent: what the vocabulary shows. */
  readonly fim?: string | false;
  /** Token healing of requests that do not choose; absent: where the kind of input and the weights gain by it. */
  readonly tokenHealing?: boolean;
  /** Prompt-lookup drafts for requests that do not choose; absent: yes. */
  readonly speculation?: boolean;
  /** The script of the engine process; absent: the one beside this file. */
  readonly script?: URL;
  /** For logs; one line without prompt text. */
  readonly report: (event: string) => void;
}

/** The requests below this many tokens are those somebody watches a cursor for. */
const INTERACTIVE_TOKENS = 64;

/**
 * The embedded engine as the server sees it. The model lives in a process of its own; when that dies it is started again,
 * and running requests go on from the tokens they had.
 */
export class LlamaEngine implements Engine {
  readonly name: string;
  readonly #options: LlamaEngineOptions;
  readonly #process: EngineProcess;
  readonly #jobs = new Map<number, Job>();
  #weights: LoadedWeights | undefined;
  #nextId = 1;
  #restarts = 0;
  #resumed = 0;
  #past: SchedulerStats = NO_STATS;
  #present: SchedulerStats = NO_STATS;

  constructor(options: LlamaEngineOptions) {
    this.name = options.name;
    this.#options = options;
    const events: EngineProcessEvents = {
      ready: (message) => {
        this.#weights = describeWeights(options, message);
        options.report(`model ${this.name} is ready: ${this.#weights.summary}`);
        for (const job of this.#jobs.values()) this.#process.send(...job.messages());
      },
      message: (message) => this.#receive(message),
      failed: (error) => this.#failAll(error),
      died: (death) => this.#survive(death),
    };
    const script = options.script ?? new URL("./process.js", import.meta.url);
    this.#process = new EngineProcess(script, { type: "load", path: options.path, options: options.engine }, events);
  }

  /** Begins to load the model; `model()` tells when that is done. */
  start(): void {
    this.#process.start();
  }

  /** Process id of the engine process, for people and tests. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  async model(signal: AbortSignal): Promise<EngineModel> {
    return (await this.#loaded(signal)).model;
  }

  async *generate(request: ContinuationRequest, signal: AbortSignal): AsyncGenerator<StreamPart> {
    const weights = await this.#loaded(signal);
    const job = new Job(this.#message(request, weights), request.choices, this.name, (message) =>
      this.#process.send(message),
    );
    const stop = (): void => job.fail(signal.reason);
    signal.throwIfAborted();
    signal.addEventListener("abort", stop, { once: true });
    this.#jobs.set(job.id, job);
    try {
      this.#process.send(...job.messages());
      yield* job.parts();
    } finally {
      signal.removeEventListener("abort", stop);
      this.#jobs.delete(job.id);
      if (!job.done) this.#process.send({ type: "abort", id: job.id });
    }
  }

  health(): Health {
    return this.#process.health();
  }

  stats(): EngineStats {
    return { ...addStats(this.#past, this.#present), restarts: this.#restarts, resumed: this.#resumed };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#failAll(new ServiceError("shutting_down", "the server is shutting down"));
    await this.#process.stop();
  }

  async #loaded(signal: AbortSignal): Promise<LoadedWeights> {
    await this.#process.ready(signal);
    if (this.#weights === undefined) throw new Error("the engine is ready without weights");
    return this.#weights;
  }

  #message(
    request: ContinuationRequest,
    { weights, ends }: LoadedWeights,
  ): Omit<GenerateMessage, "choices" | "resumed"> {
    const { logitBias, seed, ...sampling } = request.sampling;
    const id = this.#nextId;
    this.#nextId += 1;
    const prompt = lower(request.input, weights);
    const isShort = (request.limits.maxTokens ?? Number.POSITIVE_INFINITY) <= INTERACTIVE_TOKENS;
    return {
      type: "generate",
      id,
      lane: request.input.kind === "infill" || isShort ? "interactive" : "batch",
      prompt,
      limits: request.limits,
      ends,
      sampling,
      logitBias: [...(logitBias ?? [])],
      seed: (seed === undefined ? randomBytes(8).readBigUInt64LE() : BigInt.asUintN(64, BigInt(seed))).toString(),
      ...(request.logprobs !== undefined && { logprobs: request.logprobs }),
      promptLogprobs: request.promptLogprobs,
      healing: request.tokenHealing ?? this.#options.tokenHealing ?? prompt.heal?.byDefault ?? false,
      speculation: request.speculation ?? this.#options.speculation ?? true,
      ...(request.grammar !== undefined && { grammar: { source: request.grammar, prefix: prefixOf(request) } }),
    };
  }

  #receive(message: FromEngine): void {
    switch (message.type) {
      case "accepted":
        this.#jobs.get(message.id)?.accept(message);
        return;
      case "refused":
        this.#jobs.get(message.id)?.refuse(message);
        return;
      case "echo":
        this.#jobs.get(message.id)?.echo(message);
        return;
      case "step":
        this.#present = message.stats;
        for (const output of message.outputs) this.#jobs.get(output.id)?.take(output);
    }
  }

  #survive(death: Death): void {
    this.#restarts += 1;
    this.#past = addStats(this.#past, { ...this.#present, queued: 0, running: 0, slots: 0 });
    this.#present = NO_STATS;
    const alive = [...this.#jobs.values()].filter((job) => !job.done && job.survives(death));
    this.#resumed += alive.length;
    this.#options.report(
      `the engine process of ${this.name} died (${death.how}); starting it again, ${alive.length} requests go on`,
    );
  }

  #failAll(error: ServiceError): void {
    for (const job of this.#jobs.values()) job.fail(error);
  }
}

/** The part of an answer that the caller wrote; a grammar describes the whole. */
function prefixOf({ input }: ContinuationRequest): string {
  return input.kind === "chat" ? (input.assistantPrefix ?? "") : "";
}
