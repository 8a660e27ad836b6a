import { randomBytes } from "node:crypto";
import type { Engine, EngineModel, EngineStats, Health } from "../../continuation/engine.ts";
import type { FimLayout } from "../../continuation/fim.ts";
import type { StreamPart } from "../../continuation/output.ts";
import type { LoweredPrompt } from "../../continuation/prompt.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";
import { ServiceError } from "../../errors.ts";
import { type Death, EngineProcess, type EngineProcessEvents } from "./engine-process.ts";
import { readModelFile } from "./gguf-file.ts";
import { factsOfHeader } from "./header-facts.ts";
import { Job } from "./job.ts";
import { assertFits, type Footprint, fittingSlotTokens, footprint, inMebibytes } from "./memory.ts";
import type { EngineOptions, FromEngine, GenerateMessage, LoadMessage, SchedulerStats } from "./messages.ts";
import { promptOf } from "./request-prompt.ts";
import { addStats, NO_STATS } from "./stats.ts";
import { describeWeights, engineModelOf, type LoadedWeights } from "./weights.ts";

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
  /** The model must fit into this much memory by itself; context is cut to it. Absent: no bound. */
  readonly budgetBytes?: number;
  /** Folder of the llama.cpp libraries; absent: those of the platform package. */
  readonly libraries?: string;
  /** Layers that go to a GPU; absent: all, where there is one. */
  readonly gpuLayers?: number;
  /** What computes, for people. */
  readonly device?: string;
  /** The script of the engine process; absent: the one beside this file. */
  readonly script?: URL;
  /** For logs; one line without prompt text. */
  readonly report: (event: string) => void;
}

/** What a model's header says, and what follows from it for loading. */
interface LoadPlan {
  readonly model: EngineModel;
  readonly slotTokens: number;
  readonly footprint: Footprint;
}

/** The requests below this many tokens are those somebody watches a cursor for. */
const INTERACTIVE_TOKENS = 64;

/**
 * The embedded engine as the server sees it. The model lives in a process of its own; when that dies it is started again,
 * and running requests go on from the tokens they had. What the model can do is known from its header, loaded or not.
 */
export class LlamaEngine implements Engine {
  readonly name: string;
  readonly #options: LlamaEngineOptions;
  readonly #process: EngineProcess;
  readonly #jobs = new Map<number, Job>();
  /** Being read, or known; undefined before the first reading and after a failed one. */
  #plan: Promise<LoadPlan> | undefined;
  #known: LoadPlan | undefined;
  /** Why the file cannot be loaded, as far as its header tells. */
  #problem: ServiceError | undefined;
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
        if (message.fellBack !== undefined) options.report(`model ${this.name} runs on the CPU: ${message.fellBack}`);
        for (const job of this.#jobs.values()) this.#process.send(...job.messages());
      },
      message: (message) => this.#receive(message),
      failed: (error) => this.#failAll(error),
      died: (death) => this.#survive(death),
    };
    const script = options.script ?? new URL("./process.js", import.meta.url);
    this.#process = new EngineProcess({ script, prepare: () => this.#prepare(), events });
  }

  /** Loads the model. Resolves when it serves, rejects with `model_unavailable` when it cannot. */
  async load(signal: AbortSignal): Promise<void> {
    await this.#loaded(signal);
  }

  /** Frees the memory. Nothing may be running; what comes later loads the model again. */
  async unload(): Promise<void> {
    this.#past = addStats(this.#past, { ...this.#present, queued: 0, running: 0, slots: 0 });
    this.#present = NO_STATS;
    await this.#process.unload();
  }

  /** Memory that the model takes when it is loaded. Rejects with `model_unavailable` when its file cannot be used. */
  async footprint(): Promise<Footprint> {
    return (await this.#planned()).footprint;
  }

  /** Process id of the engine process, for people and tests. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  async model(signal: AbortSignal): Promise<EngineModel> {
    return this.#weights?.model ?? (await orAborted(this.#planned(), signal)).model;
  }

  async *generate(request: ContinuationRequest, signal: AbortSignal): AsyncGenerator<StreamPart> {
    const weights = await this.#loaded(signal);
    const asked = this.#message(request, weights);
    const ignored = this.#ignored(request, asked.prompt);
    const job = new Job(asked, request.choices, { model: this.name, ignored }, (message) =>
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

  /** What the header has told so far; absent: it has not been read, or cannot be used. */
  get known(): { readonly model: EngineModel; readonly memoryBytes: number } | undefined {
    if (this.#known === undefined) return undefined;
    return { model: this.#weights?.model ?? this.#known.model, memoryBytes: this.#known.footprint.total };
  }

  health(): Health {
    const health = this.#process.health();
    const about = this.#known === undefined ? "" : `, about ${inMebibytes(this.#known.footprint.total)}`;
    const { device } = this.#options;
    if (health.state === "ready" && device !== undefined) return { ...health, detail: `${health.detail}, ${device}` };
    if (health.state === "loading") return { ...health, detail: `${health.detail}${about}` };
    if (health.state !== "unloaded") return health;
    if (this.#problem !== undefined) return { state: "failed", detail: this.#problem.message };
    return { ...health, detail: `${health.detail}${about}` };
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

  /** The header is read once; after a failure again, for files get repaired. */
  #planned(): Promise<LoadPlan> {
    this.#plan ??= this.#readPlan();
    return this.#plan;
  }

  async #readPlan(): Promise<LoadPlan> {
    const { path, engine, budgetBytes = Number.POSITIVE_INFINITY } = this.#options;
    try {
      const facts = factsOfHeader(await readModelFile(path));
      const slotTokens = fittingSlotTokens(facts, engine, budgetBytes);
      const needed = footprint(facts, engine.slots, slotTokens);
      assertFits(this.name, needed, budgetBytes);
      const known = { model: engineModelOf(this.#options, facts, slotTokens), slotTokens, footprint: needed };
      this.#known = known;
      this.#problem = undefined;
      return known;
    } catch (error) {
      this.#plan = undefined;
      this.#problem =
        error instanceof ServiceError ? error : new ServiceError("internal", String(error), { cause: error });
      throw error;
    }
  }

  /** The file may have changed since it was last loaded. */
  async #prepare(): Promise<LoadMessage> {
    this.#plan = undefined;
    const { slotTokens } = await this.#planned();
    const { path, engine, libraries, gpuLayers } = this.#options;
    return {
      type: "load",
      path,
      options: { ...engine, slotTokens },
      ...(libraries !== undefined && { libraries }),
      ...(gpuLayers !== undefined && { gpuLayers }),
    };
  }

  #message(
    request: ContinuationRequest,
    { model, weights, ends }: LoadedWeights,
  ): Omit<GenerateMessage, "choices" | "resumed"> {
    const { logitBias, seed, ...sampling } = request.sampling;
    const id = this.#nextId;
    this.#nextId += 1;
    const prompt = promptOf(request, weights, model.contextTokens);
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
      healing:
        canHeal(request) && (request.tokenHealing ?? this.#options.tokenHealing ?? prompt.heal?.byDefault ?? false),
      speculation: !this.#options.engine.deterministic && (request.speculation ?? this.#options.speculation ?? true),
      ...(request.grammar !== undefined && { grammar: { source: request.grammar, prefix: prefixOf(request) } }),
    };
  }

  /** What a request asked for although it cannot have an effect here. */
  #ignored(request: ContinuationRequest, { heal }: LoweredPrompt): readonly string[] {
    const { tokenHealing, speculation } = request;
    return [
      ...(tokenHealing === true && (heal === undefined || !canHeal(request)) ? ["tokenHealing"] : []),
      ...(speculation === true && this.#options.engine.deterministic ? ["speculation"] : []),
    ];
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

/** A grammar describes the answer from its first character on, so none of a raw text before it is spelt again. */
function canHeal({ grammar, input }: ContinuationRequest): boolean {
  return grammar === undefined || input.kind === "chat";
}

/** The part of an answer that the caller wrote; a grammar describes the whole. */
function prefixOf({ input }: ContinuationRequest): string {
  return input.kind === "chat" ? (input.assistantPrefix ?? "") : "";
}

function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
