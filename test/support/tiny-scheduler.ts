/**
 * The real scheduler on the real native library with a tiny model, inside the test's own process.
 */
import { join } from "node:path";
import { CONTROL_TOKENS } from "../../src/continuation/input.ts";
import type { LoweredPrompt } from "../../src/continuation/prompt.ts";
import type { Limits } from "../../src/continuation/request.ts";
import { NO_STATS } from "../../src/engines/llama/host/stats.ts";
import { bindApi, type LlamaApi } from "../../src/engines/llama/native/api.ts";
import type { Row } from "../../src/engines/llama/native/batch-memory.ts";
import { NativeContext } from "../../src/engines/llama/native/context.ts";
import { loadLibraries } from "../../src/engines/llama/native/library.ts";
import { NativeModel } from "../../src/engines/llama/native/model.ts";
import { Scheduler } from "../../src/engines/llama/schedule/scheduler.ts";
import { Task } from "../../src/engines/llama/schedule/task.ts";
import type { FromEngine, GenerateMessage, SchedulerStats, StepOutput } from "../../src/engines/llama/wire/messages.ts";
import { temporaryFolder } from "./files.ts";
import { type TinyModelOptions, writeTinyModel } from "./tiny-model.ts";
import { TinyRequest } from "./tiny-request.ts";
import type { Vocabulary } from "./tiny-vocabulary.ts";

/** As on a CPU. */
export const BLOCK_TOKENS = 64;

export interface NativeTiny {
  readonly api: LlamaApi;
  readonly model: NativeModel;
  readonly vocabulary: Vocabulary;
}

/** Once per process: the library's struct names are global. */
export async function loadNativeTiny(options: TinyModelOptions = {}): Promise<NativeTiny> {
  const folder = temporaryFolder();
  try {
    const file = join(folder.path, "tiny.gguf");
    const vocabulary = writeTinyModel(file, options);
    const api = bindApi(loadLibraries());
    api.logSet(api.isQuantizedSymbol, null); // as the engine process does: nobody asked for every step of loading
    return { api, vocabulary, model: await NativeModel.load(api, file, () => "") };
  } finally {
    folder.remove();
  }
}

export interface TinySchedulerOptions {
  readonly slots?: number;
  readonly slotTokens?: number;
  readonly deterministic?: boolean;
  readonly queueLimit?: number;
  readonly now?: () => number;
  /** Called for every row that is read. */
  readonly onRead?: () => void;
  /** Called when a step is about to begin. An abort made meanwhile stops it, and nothing of it is computed. */
  readonly onStep?: (rows: number) => void;
}

export type Asked = Partial<Omit<GenerateMessage, "prompt" | "limits">> & {
  readonly prompt?: string | LoweredPrompt;
  /** `maxTokens: undefined` is no limit. */
  readonly limits?: { readonly [Limit in keyof Limits]?: Limits[Limit] | undefined };
};

type Outcome = Awaited<ReturnType<NativeContext["decode"]>>;

/** Remembers its decodes, and fails when it is told to. */
class ObservedContext extends NativeContext {
  readonly outcomes: Outcome[] = [];
  readonly sizes: number[] = [];
  failures = 0;
  #isAboutToDecode = false;
  #isUnwanted = false;
  onRead = (): void => {};
  onStep = (_rows: number): void => {};

  override logits(row: number): Float32Array {
    this.onRead();
    if (this.failures > 0) {
      this.failures -= 1;
      throw new TypeError("a fault in reading a row");
    }
    return super.logits(row);
  }

  override async decode(rows: readonly Row[]): Promise<Outcome> {
    this.sizes.push(rows.length);
    this.#isAboutToDecode = true;
    this.#isUnwanted = false;
    this.onStep(rows.length);
    this.#isAboutToDecode = false;
    // A tiny step could end before a native abort reaches it.
    const outcome = this.#isUnwanted ? "aborted" : await super.decode(rows);
    this.outcomes.push(outcome);
    return outcome;
  }

  override abort(): void {
    if (this.#isAboutToDecode) this.#isUnwanted = true;
    else super.abort();
  }
}

/** A running scheduler; `dispose` when its requests are over. */
export class TinyScheduler {
  readonly scheduler: Scheduler;
  /** All messages but `step`, and the outputs of steps, in order. */
  readonly said: (Exclude<FromEngine, { type: "step" }> | StepOutput)[] = [];
  /** Faults of ours that it reported. */
  readonly faults: unknown[] = [];
  stats: SchedulerStats = NO_STATS;
  readonly #context: ObservedContext;
  readonly #vocabulary: Vocabulary;
  readonly #requests = new Map<number, TinyRequest>();
  #nextId = 1;

  constructor({ api, model, vocabulary }: NativeTiny, options: TinySchedulerOptions = {}) {
    const { slots = 4, slotTokens = 1024, deterministic = true, queueLimit = 64, now } = options;
    this.#vocabulary = vocabulary;
    // As the engine process makes it.
    this.#context = new ObservedContext(api, model, {
      slots,
      slotTokens,
      threads: 1,
      batchTokens: 576,
      microBatchTokens: BLOCK_TOKENS,
    });
    if (options.onRead !== undefined) this.#context.onRead = options.onRead;
    if (options.onStep !== undefined) this.#context.onStep = options.onStep;
    this.scheduler = new Scheduler(this.#context, model, {
      slots,
      blockTokens: BLOCK_TOKENS,
      deterministic,
      queueLimit,
      now: now ?? (() => performance.now()),
      report: (error) => this.faults.push(error),
      send: (message) => this.#hear(message),
    });
    void this.scheduler.run();
  }

  /** Greedy, 40 tokens, no stops, unless said otherwise. */
  ask({ prompt = "The ", limits, ...rest }: Asked = {}): TinyRequest {
    const id = this.#nextId++;
    const choices = rest.choices ?? [[]];
    const wanted = choices.flatMap((replay, choice) => (replay === null ? [] : [choice]));
    const request = new TinyRequest(id, wanted);
    this.#requests.set(id, request);
    this.scheduler.submit({
      type: "generate",
      id,
      lane: "interactive",
      prompt: typeof prompt === "string" ? textPrompt(prompt) : prompt,
      limits: {
        stopStrings: limits?.stopStrings ?? [],
        stopSequences: limits?.stopSequences ?? [],
        maxInputTokens: limits?.maxInputTokens ?? 100_000,
        truncate: limits?.truncate ?? false,
        ...(limits?.minTokens !== undefined && { minTokens: limits.minTokens }),
        ...(limits?.ignoreEnds !== undefined && { ignoreEnds: limits.ignoreEnds }),
        ...(limits !== undefined && "maxTokens" in limits ? maxTokens(limits.maxTokens) : maxTokens(40)),
      },
      ends: CONTROL_TOKENS.flatMap((token) => this.#vocabulary.ids.get(token) ?? []),
      sampling: { temperature: 0 },
      logitBias: [],
      seed: "1",
      promptLogprobs: false,
      healing: false,
      speculation: false,
      resumed: false,
      ...rest,
      choices,
    });
    return request;
  }

  /** How the steps so far ended. */
  get outcomes(): readonly Outcome[] {
    return this.#context.outcomes;
  }

  /** Rows of the steps so far. */
  get sizes(): readonly number[] {
    return this.#context.sizes;
  }

  /** The next task that reads its row fails. */
  failNext(): void {
    this.#context.failures += 1;
  }

  /** Resolves when nothing is queued or running. */
  async idle(): Promise<void> {
    const probe = this.ask({ limits: { maxTokens: 0 } });
    await probe.answer();
  }

  dispose(): void {
    this.#context.free();
  }

  #hear(message: FromEngine): void {
    if (message.type === "ready" || message.type === "failed") return;
    if (message.type !== "step") {
      this.said.push(message);
      const request = this.#requests.get(message.id);
      if (request === undefined) return;
      if (message.type === "accepted") request.accepted = message;
      else if (message.type === "refused") request.refused = message;
      else if (message.type === "aborted") request.aborted = message;
      else request.echo = message.tokens;
      request.hear();
      return;
    }
    this.stats = message.stats;
    for (const output of message.outputs) {
      this.said.push(output);
      const request = this.#requests.get(output.id);
      request?.outputs.push(output);
      request?.hear();
    }
  }
}

function maxTokens(count: number | undefined): Pick<Limits, "maxTokens"> {
  return count === undefined ? {} : { maxTokens: count };
}

/** One choice as the scheduler sees it, not in any slot. @param replay tokens it has generated already. */
export function taskOf(
  { model }: NativeTiny,
  prompt: readonly number[],
  over: Partial<GenerateMessage> & { readonly arrivedMs?: number; readonly replay?: readonly number[] } = {},
): Task {
  const { arrivedMs = 0, replay = [], ...message } = over;
  const encoded = { tokens: prompt, tail: [], promptTokens: prompt.length, truncatedTokens: 0 };
  return new Task({ ...QUIET, ...message, choices: [replay] }, 0, encoded, model, arrivedMs);
}

const QUIET: GenerateMessage = {
  type: "generate",
  id: 1,
  lane: "batch",
  prompt: { sections: [], countOffset: 0 },
  limits: { stopStrings: [], stopSequences: [], maxInputTokens: 100_000, truncate: false },
  ends: [],
  sampling: { temperature: 0 },
  logitBias: [],
  seed: "1",
  promptLogprobs: false,
  healing: false,
  speculation: false,
  choices: [[]],
  resumed: false,
};

export function textPrompt(text: string): LoweredPrompt {
  return { sections: [{ role: "prefix", parts: [{ text }] }], countOffset: 0 };
}
