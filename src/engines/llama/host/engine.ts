import { orAborted } from "../../../continuation/abort.ts";
import type { Health, LocalEngine, LocalModel, LocalStats } from "../../../continuation/engine.ts";
import { type StartPart, type StreamPart, startOf } from "../../../continuation/output.ts";
import type { ContinuationRequest } from "../../../continuation/request.ts";
import { ServiceError } from "../../../errors.ts";
import type {
  AbortMessage,
  EngineOptions,
  FlowMessage,
  FromEngine,
  PongMessage,
  ReadyMessage,
  SchedulerStats,
} from "../wire/messages.ts";
import type { Death } from "./blame.ts";
import { EngineProcess } from "./engine-process.ts";
import { askedOf, type RequestDefaults } from "./generate-message.ts";
import { Job } from "./job.ts";
import { Jobs } from "./jobs.ts";
import { type LoadOptions, LoadPlanner } from "./load-plan.ts";
import { type Footprint, inMebibytes } from "./memory.ts";
import { addStats, NO_STATS } from "./stats.ts";
import { describeWeights, type LoadedWeights } from "./weights.ts";

export interface LlamaEngineOptions extends LoadOptions, RequestDefaults {
  readonly engine: EngineOptions;
  /** Longest time an engine process may go without progress, whatever its speed. Absent or infinite: it is never ended. */
  readonly timeoutMs?: number;
  /** What computes, for people. */
  readonly device?: string;
  /** The script of the engine process; absent: the one beside this file. */
  readonly script?: URL;
  /** For logs; one line without prompt text. */
  readonly report: (event: string, level: "info" | "warn") => void;
}

/**
 * The embedded engine as the server sees it. The model lives in a process of its own; when that dies it is started again,
 * and running requests go on from the tokens they had. What the model can do is known from its header, loaded or not.
 */
export class LlamaEngine implements LocalEngine {
  readonly name: string;
  readonly #options: LlamaEngineOptions;
  readonly #process: EngineProcess;
  readonly #jobs: Jobs;
  readonly #planner: LoadPlanner;
  #weights: LoadedWeights | undefined;
  #nextId = 1;
  readonly #counted = { restarts: 0, loads: 0, hangs: 0, resumed: 0, blamed: 0 };
  #past: SchedulerStats = NO_STATS;
  #present: SchedulerStats = NO_STATS;

  constructor(options: LlamaEngineOptions) {
    this.name = options.name;
    this.#options = options;
    this.#planner = new LoadPlanner(options);
    this.#process = new EngineProcess({
      script: options.script ?? new URL("../process.js", import.meta.url),
      prepare: () => this.#planner.prepare(),
      timeoutMs: options.timeoutMs ?? Number.POSITIVE_INFINITY,
      events: {
        ready: (message) => this.#serve(message),
        message: (message) => this.#receive(message),
        failed: (error) => this.#jobs.failAll(error),
        hung: (finding) => this.#reportHang(finding),
        died: (death) => this.#survive(death),
      },
    });
    this.#jobs = new Jobs(
      (...messages) => this.#process.send(...messages),
      () => performance.now(),
    );
  }

  /** Loads the model. Resolves when it serves, rejects with `model_unavailable` when it cannot. */
  async load(signal: AbortSignal): Promise<void> {
    await this.#loaded(signal);
  }

  /** Frees the memory. Nothing may be running; what comes later loads the model again. Never rejects. */
  async unload(): Promise<void> {
    this.#bookPresent();
    await this.#process.unload();
  }

  /** Memory that the model takes when it is loaded. Rejects with `model_unavailable` when its file cannot be used. */
  async footprint(): Promise<Footprint> {
    return (await this.#planner.plan()).footprint;
  }

  /** Process id of the engine process, for people and tests. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  async model(signal: AbortSignal): Promise<LocalModel> {
    return this.#weights?.model ?? (await orAborted(this.#planner.plan(), signal)).model;
  }

  /** Without choices a request is accepted or refused, and nothing is computed. */
  async accept(requests: readonly ContinuationRequest[], signal: AbortSignal): Promise<readonly StartPart[]> {
    const refusal = new AbortController();
    const open = AbortSignal.any([signal, refusal.signal]);
    try {
      return await Promise.all(requests.map((request) => startOf(this.generate({ ...request, choices: 0 }, open))));
    } finally {
      refusal.abort(); // one that is refused is a refusal of all, so nobody needs the tokens of the others
    }
  }

  async *generate(request: ContinuationRequest, signal: AbortSignal): AsyncGenerator<StreamPart> {
    const weights = await this.#loaded(signal);
    const job = this.#jobOf(request, weights);
    signal.throwIfAborted();
    const stop = (): void => job.cancel(signal.reason); // now, not when a slow reader comes back for more
    signal.addEventListener("abort", stop, { once: true });
    try {
      this.#jobs.add(job);
      yield* job.parts();
    } finally {
      signal.removeEventListener("abort", stop);
      this.#jobs.remove(job);
    }
  }

  /** What the header has told so far; absent: it has not been read, or cannot be used. */
  get known(): { readonly model: LocalModel; readonly memoryBytes: number } | undefined {
    const { known } = this.#planner;
    if (known === undefined) return undefined;
    return { model: this.#weights?.model ?? known.model, memoryBytes: known.footprint.total };
  }

  health(): Health {
    const health = this.#process.health();
    const { known, problem } = this.#planner;
    const about = known === undefined ? "" : `, about ${inMebibytes(known.footprint.total)}`;
    const { device } = this.#options;
    if (health.state === "ready" && device !== undefined) return { ...health, detail: `${health.detail}, ${device}` };
    if (health.state === "loading") return { ...health, detail: `${health.detail}${about}` };
    if (health.state !== "unloaded") return health;
    if (problem !== undefined) return { state: "failed", detail: problem.message };
    return { ...health, detail: `${health.detail}${about}` };
  }

  stats(): LocalStats {
    return { ...addStats(this.#past, this.#present), ...this.#counted };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#jobs.failAll(new ServiceError("shutting_down", "the server is shutting down"));
    await this.#process.stop();
  }

  async #loaded(signal: AbortSignal): Promise<LoadedWeights> {
    await this.#process.ready(signal);
    if (this.#weights === undefined) throw new Error("the engine is ready without weights");
    return this.#weights;
  }

  #jobOf(request: ContinuationRequest, weights: LoadedWeights): Job {
    const { message, ignored } = askedOf(this.#nextId, request, weights, this.#options);
    this.#nextId += 1;
    const { callId: requestId } = request;
    const about = { model: this.name, ignored, ...(requestId !== undefined && { requestId }) };
    const send = (each: FlowMessage | AbortMessage): boolean =>
      each.type === "abort" ? this.#jobs.stop(each.id) : this.#process.send(each);
    return new Job(message, request.choices, about, send);
  }

  #serve(message: ReadyMessage): void {
    const { report } = this.#options;
    this.#weights = describeWeights(this.#options, message);
    this.#counted.loads += 1;
    report(`model ${this.name} is ready: ${this.#weights.summary}`, "info");
    if (message.fellBack !== undefined) report(`model ${this.name} runs on the CPU: ${message.fellBack}`, "warn");
    this.#jobs.processStarted();
  }

  #receive(message: FromEngine | PongMessage): void {
    if (message.type === "step") this.#present = message.stats;
    this.#jobs.receive(message);
  }

  #reportHang(finding: string): void {
    this.#counted.hangs += 1;
    const text = `the engine process ${this.pid} of ${this.name} hangs and is killed: ${finding}; at work for ${this.#jobs.atWork}`;
    this.#options.report(text, "warn");
  }

  #survive(death: Death): void {
    this.#bookPresent();
    const { blamed, resumed } = this.#jobs.processDied(death);
    this.#counted.restarts += 1;
    this.#counted.resumed += resumed;
    this.#counted.blamed += blamed;
    const how = death.cause === "hang" ? "hung" : `died (${death.how})`;
    const text = `the engine process of ${this.name} ${how}; it is started again, ${resumed} requests go on`;
    this.#options.report(blamed === 0 ? text : `${text}, ${blamed} refused for it`, "warn");
  }

  /** The process ends, and what it has counted stays counted. */
  #bookPresent(): void {
    this.#past = addStats(this.#past, { ...this.#present, queued: 0, running: 0, slots: 0 });
    this.#present = NO_STATS;
  }
}
