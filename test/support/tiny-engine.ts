/** The real engine with its process, on a tiny model: what tests of it start and ask. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, onTestFinished } from "vitest";
import { FIM_LAYOUTS } from "../../src/continuation/fim.ts";
import type { Result } from "../../src/continuation/output.ts";
import type { ContinuationRequest } from "../../src/continuation/request.ts";
import { LlamaEngine, type LlamaEngineOptions } from "../../src/engines/llama/host/engine.ts";
import { temporaryFolder } from "./files.ts";
import { writeTinyModel } from "./tiny-model.ts";

/** The built engine process: it is a program of its own, not TypeScript run by the tests. */
const PROCESS = new URL("../../dist/engines/llama/process.js", import.meta.url);

/** Nobody leaves. */
export const never: AbortSignal = new AbortController().signal;

type Over = Partial<Omit<LlamaEngineOptions, "engine">> & { readonly engine?: Partial<LlamaEngineOptions["engine"]> };

/** Engines on a model that is gone with the test file; call it once in a file, outside of tests. */
export function tinyEngines() {
  const folder = temporaryFolder();
  afterAll(folder.remove);
  const file = join(folder.path, "tiny.gguf");
  writeTinyModel(file);

  /** A started engine, disposed of with the test. */
  function start({ engine, ...over }: Over = {}): LlamaEngine {
    const started = new LlamaEngine({
      name: "tiny",
      path: file,
      engine: { slots: 4, slotTokens: 1024, threads: 1, deterministic: true, queueLimit: 64, ...engine },
      fimLayouts: FIM_LAYOUTS,
      script: PROCESS,
      report: () => {},
      ...over,
    });
    started.load(never).catch(() => {}); // those who ask hear of it
    onTestFinished(() => started[Symbol.asyncDispose]());
    return started;
  }

  /** A program in place of the engine process. */
  function program(name: string, source: string): URL {
    const path = join(folder.path, `${name}.mjs`);
    writeFileSync(path, source);
    return new URL(`file://${path}`);
  }

  return { folder, file, start, program };
}

/** Greedy, 60 tokens, one choice, unless said otherwise. */
export function asking(text: string, over: Partial<ContinuationRequest> = {}): ContinuationRequest {
  return {
    model: "tiny",
    input: { kind: "text", parts: [{ text }] },
    sampling: { temperature: 0 },
    limits: { maxTokens: 60, stopStrings: [], stopSequences: [], maxInputTokens: 1000, truncate: false },
    choices: 1,
    promptLogprobs: false,
    tokenHealing: false,
    ...over,
  };
}

/** Drawn, and twice. */
export const SEEDED: Partial<ContinuationRequest> = {
  sampling: { temperature: 1, topP: 0.95, presencePenalty: 0.5, seed: 7 },
  choices: 2,
};

/** About 700 tokens. */
export const LONG = "def quick_sort(values):\n    if len(values) < 2:\n        return values\n".repeat(14);

/** Everything but how much of a cache was used. */
export function said({ start: first, choices, usage }: Result) {
  const { promptTokens, completionTokens } = usage;
  return { first, choices, promptTokens, completionTokens };
}

/** Of an engine that is being started: its process is there when the header has been read. */
export async function pidOf(engine: LlamaEngine): Promise<number> {
  while (engine.pid === undefined) await new Promise((resolve) => setImmediate(resolve));
  return engine.pid;
}

/** What a program in place of the engine process sends when it has loaded: a part of its source. */
export const READY = `{ type: "ready", slots: 1, slotTokens: 100, threads: 1, runsOn: "nothing", facts: {
  description: "none", vocabularySize: 1, trainedTokens: 1, weightBytes: 0, cacheBytesPerToken: 0, controls: {}, ends: [], sampling: {}, prompting: {} } }`;
