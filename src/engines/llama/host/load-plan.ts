import type { LocalModel } from "../../../continuation/engine.ts";
import type { MemoryBytes } from "../../../continuation/memory.ts";
import { ServiceError } from "../../../errors.ts";
import { readModelFile } from "../file/gguf-file.ts";
import { factsOfHeader } from "../file/header-facts.ts";
import type { EngineOptions, LoadMessage } from "../wire/messages.ts";
import { assertFits, type Footprint, fittingSlotTokens, footprint } from "./memory.ts";
import { engineModelOf, type WeightsOptions } from "./weights.ts";

export interface LoadOptions extends WeightsOptions {
  /** A GGUF file; with shards, the first. */
  readonly path: string;
  readonly engine: EngineOptions;
  /** The model must fit into this much memory by itself; context is cut to it. Absent: no bound. */
  readonly budget?: MemoryBytes;
  /** There is a GPU to compute on. */
  readonly hasGpu?: boolean;
  /** Folder of the llama.cpp libraries; absent: those of the platform package. */
  readonly libraries?: string;
  /** Layers that go to a GPU; absent: all, where there is one. */
  readonly gpuLayers?: number;
}

const NO_BOUND: MemoryBytes = { machine: Number.POSITIVE_INFINITY, gpu: Number.POSITIVE_INFINITY };

/** What a model's header says, and what follows from it for loading. */
export interface LoadPlan {
  readonly model: LocalModel;
  readonly slotTokens: number;
  readonly footprint: Footprint;
}

/** Reads the header of a model file and remembers what it says. */
export class LoadPlanner {
  readonly #options: LoadOptions;
  /** Being read, or known; undefined before the first reading and after a failed one. */
  #plan: Promise<LoadPlan> | undefined;
  #known: LoadPlan | undefined;
  #problem: ServiceError | undefined;

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  /** What the last reading that succeeded found. */
  get known(): LoadPlan | undefined {
    return this.#known;
  }

  /** Why the file cannot be loaded, as far as its header tells. */
  get problem(): ServiceError | undefined {
    return this.#problem;
  }

  /** The header is read once; after a failure again, for files get repaired. */
  plan(): Promise<LoadPlan> {
    this.#plan ??= this.#read();
    return this.#plan;
  }

  /** For a process that starts. The file may have changed since it was last loaded. */
  async prepare(): Promise<LoadMessage> {
    this.#plan = undefined;
    const { slotTokens } = await this.plan();
    const { path, engine, libraries, gpuLayers } = this.#options;
    return {
      type: "load",
      path,
      options: { ...engine, slotTokens },
      ...(libraries !== undefined && { libraries }),
      ...(gpuLayers !== undefined && { gpuLayers }),
    };
  }

  async #read(): Promise<LoadPlan> {
    const { name, path, engine, budget = NO_BOUND, hasGpu = false, gpuLayers } = this.#options;
    const offload = { hasGpu, ...(gpuLayers !== undefined && { gpuLayers }) };
    try {
      const facts = factsOfHeader(await readModelFile(path));
      const slotTokens = fittingSlotTokens(facts, engine, budget, offload);
      const needed = footprint(facts, { ...engine, slotTokens }, offload);
      assertFits(name, needed, budget);
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
}
