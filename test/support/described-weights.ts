/** Weights that say of themselves what a test wants, and a directory of models over them. */
import type { EngineModel } from "../../src/continuation/engine.ts";
import {
  type DirectoryOptions,
  type KnownName,
  ModelDirectory,
  type ServedWeights,
} from "../../src/directory/model-directory.ts";
import { ServiceError } from "../../src/errors.ts";
import { SCRIPTED_MODEL, ScriptedEngine, saying } from "./scripted-engine.ts";

/** Nobody leaves. */
export const never: AbortSignal = new AbortController().signal;

/** An engine whose weights are described by the test, or never come up. */
class Described extends ScriptedEngine {
  readonly #facts: Promise<EngineModel>;

  constructor(name: string, facts: Promise<EngineModel>) {
    super(() => saying(["text"]), name);
    this.#facts = facts;
    facts.catch(() => {});
  }

  override model(signal: AbortSignal = never): Promise<EngineModel> {
    return new Promise((resolve, reject) => {
      const leave = (): void => reject(signal.reason);
      signal.addEventListener("abort", leave, { once: true });
      this.#facts.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
    });
  }
}

function without(keys: readonly (keyof EngineModel)[]): EngineModel {
  return Object.fromEntries(
    Object.entries(SCRIPTED_MODEL).filter(([key]) => !keys.some((each) => each === key)),
  ) as unknown as EngineModel;
}

interface Served extends Partial<Omit<ServedWeights, "name" | "engine">> {
  readonly facts?: Partial<EngineModel>;
  readonly noFim?: boolean;
  /** What the engine does not tell. */
  readonly untold?: readonly ("contextTokens" | "vocabularySize")[];
  readonly broken?: string;
  readonly loading?: Promise<unknown>;
}

/** Weights with a layout, loaded already, unless said otherwise. */
export function served(name: string, about: Served = {}): ServedWeights {
  const { facts, noFim = false, untold = [], broken, loading, ...rest } = about;
  const known = { ...without([...untold, ...(noFim ? (["fim"] as const) : [])]), id: name, ...facts };
  const outcome =
    broken === undefined
      ? (loading ?? Promise.resolve()).then(() => known)
      : Promise.reject(new ServiceError("model_unavailable", broken));
  return { name, engine: new Described(name, outcome), sampling: {}, ...rest };
}

function known(name: string, over: Partial<KnownName> = {}): KnownName {
  return {
    name,
    completions: true,
    partial: true,
    contextTokens: 32_768,
    maxInputTokens: 30_720,
    maxOutputTokens: 8_192,
    defaults: { temperature: 0.3, repetitionPenalty: 1.1 },
    ...over,
  };
}

const CODER = known("qwen-coder");
const PLUS = known("qwen-plus", { completions: false });

/** Over a catalogue of two names, neither mapped to weights unless said otherwise. */
export function directoryOf(weights: readonly ServedWeights[], over: Partial<DirectoryOptions> = {}): ModelDirectory {
  const names = [CODER, PLUS];
  return new ModelDirectory({
    known: names,
    lookUp: (name) => names.find((each) => each.name === name || `${each.name}-alias` === name),
    weights,
    mappings: new Map(),
    strict: false,
    ...over,
  });
}
