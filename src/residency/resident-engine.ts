import type { Engine, Health, LocalEngine, LocalModel, LocalStats } from "../continuation/engine.ts";
import type { StreamPart } from "../continuation/output.ts";
import type { ContinuationRequest } from "../continuation/request.ts";
import type { ResidentModels } from "./resident-models.ts";

/** An engine whose weights are in memory only while `ResidentModels` keeps them there. Every request holds a lease on them. */
export class ResidentEngine implements Engine {
  readonly name: string;
  readonly accept?: NonNullable<Engine["accept"]>;
  readonly #engine: LocalEngine;
  readonly #models: ResidentModels;

  /** @param models has the engine under its own name. */
  constructor(engine: LocalEngine, models: ResidentModels) {
    this.name = engine.name;
    this.#engine = engine;
    this.#models = models;
    const accept = engine.accept?.bind(engine);
    if (accept === undefined) return;
    this.accept = (requests, signal) => this.#leased(() => accept(requests, signal), signal);
  }

  model(signal: AbortSignal): Promise<LocalModel> {
    return this.#engine.model(signal);
  }

  async *generate(request: ContinuationRequest, signal: AbortSignal): AsyncGenerator<StreamPart> {
    const lease = await this.#models.acquire(this.name, signal);
    try {
      yield* this.#engine.generate(request, signal);
    } finally {
      lease.release();
    }
  }

  async #leased<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const lease = await this.#models.acquire(this.name, signal);
    try {
      return await work();
    } finally {
      lease.release();
    }
  }

  health(): Health {
    const health = this.#engine.health();
    const isComing = health.state === "unloaded" && this.#models.isExpected(this.name);
    return isComing ? { state: "loading", detail: "waiting for its turn to be loaded" } : health;
  }

  /** Requests that wait for the weights count as queued. */
  stats(): LocalStats {
    const stats = this.#engine.stats();
    return { ...stats, queued: stats.queued + this.#models.waiting(this.name) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine[Symbol.asyncDispose]();
  }
}
