/** Models of this machine: an engine for each, and who of them is in memory. */
import type { Config, FileModel } from "./config/config.ts";
import { fileModels } from "./config/models.ts";
import { FIM_LAYOUTS, type FimLayout } from "./continuation/fim.ts";
import type { MemoryBytes } from "./continuation/memory.ts";
import { LlamaEngine } from "./engines/llama/host/engine.ts";
import { DEFAULT_SLOTS } from "./engines/llama/host/memory.ts";
import type { LibraryChoice } from "./engines/llama/probe/engine-choice.ts";
import { ServiceError } from "./errors.ts";
import { ResidentEngine } from "./residency/resident-engine.ts";
import { ResidentModels } from "./residency/resident-models.ts";
import type { Log } from "./telemetry/log.ts";

/** One engine for each model in a file, in their order. */
export function serveLocal(config: Config, shared: Shared): readonly LocalServed[] {
  return fileModels(config).map((model) => serve(model, config, shared));
}

/** The operator's layouts, then those of ours that they do not replace. */
export function layoutsOf(fimLayouts: readonly FimLayout[]): readonly FimLayout[] {
  const families = new Set(fimLayouts.map((layout) => layout.family));
  return [...fimLayouts, ...FIM_LAYOUTS.filter((layout) => !families.has(layout.family))];
}

/** Longest time of Node's timers, ms; a model idle for longer stays. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Calls back once, unless the returned function is called before. Keeps nobody from leaving. */
export function laterOn(ms: number, callback: () => void): () => void {
  if (ms > MAX_TIMER_MS) return () => {};
  const timer = setTimeout(callback, ms);
  timer.unref();
  return () => clearTimeout(timer);
}

/** Configured weights, and the engine that others see. */
export interface LocalServed {
  readonly model: FileModel;
  readonly engine: LlamaEngine;
  readonly resident: ResidentEngine;
}

export interface Shared {
  readonly libraries: LibraryChoice;
  readonly budget: MemoryBytes;
  readonly residents: ResidentModels;
  readonly log: Log;
}

function serve(
  model: FileModel,
  { limits, fimLayouts }: Config,
  { libraries, budget, residents, log }: Shared,
): LocalServed {
  const engine = new LlamaEngine({
    name: model.name,
    path: model.file,
    engine: {
      slots: model.slots ?? DEFAULT_SLOTS,
      deterministic: model.deterministic,
      queueLimit: limits.queueLength,
      ...(model.contextTokens !== undefined && { slotTokens: model.contextTokens }),
      ...(model.threads !== undefined && { threads: model.threads }),
    },
    fimLayouts: layoutsOf(fimLayouts),
    timeoutMs: limits.engineTimeoutMs === 0 ? Number.POSITIVE_INFINITY : limits.engineTimeoutMs,
    budget,
    hasGpu: libraries.gpus.length > 0,
    speculation: model.speculation,
    ...(model.tokenHealing !== undefined && { tokenHealing: model.tokenHealing }),
    ...(model.fim !== undefined && { fim: model.fim }),
    device: libraries.note,
    ...(libraries.folder !== undefined && { libraries: libraries.folder }),
    ...(model.gpuLayers !== undefined && { gpuLayers: model.gpuLayers }),
    report: (event, level) => log[level]({ model: model.name }, event),
  });
  residents.add(model.name, engine, model.keepAliveMs);
  return { model, engine, resident: new ResidentEngine(engine, residents) };
}

export function residentModels(budget: MemoryBytes, log: Log): ResidentModels {
  return new ResidentModels({
    budget,
    now: () => performance.now(),
    after: laterOn,
    report: (model, event) => {
      if (event.kind === "failed") log.error({ model, ...whyOf(event.error) }, "the model cannot be loaded");
      else if (event.kind === "unload failed") log.error({ model, err: event.error }, "the model cannot be unloaded");
      else if (event.kind === "loaded") log.info({ model, seconds: Math.round(event.seconds * 10) / 10 }, "loaded");
      else log.info({ model }, event.reason === "idle" ? "unloaded: idle" : "unloaded to make room");
    },
  });
}

/** What is wrong with a file is said in words; where in the program it was noticed helps nobody. */
function whyOf(error: unknown): { readonly reason: string } | { readonly err: unknown } {
  return error instanceof ServiceError ? { reason: error.message } : { err: error };
}

/** In order, as far as the budget goes. A model that is unloaded at once when idle would be loaded for nothing. */
export async function loadAtStart(served: readonly LocalServed[], residents: ResidentModels): Promise<void> {
  const isWanted = ({ load, keepAliveMs }: FileModel): boolean =>
    (load ?? (keepAliveMs > 0 ? "start" : "")) === "start";
  await residents.preload(served.filter(({ model }) => isWanted(model)).map(({ model }) => model.name));
}
