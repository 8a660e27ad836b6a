/**
 * The path of a token inside one process, each loop with one layer more than the one before: the library alone, koffi's
 * call from another thread, our context and the pick of the likeliest token, the scheduler.
 */
import { bindApi, type LlamaApi, type NativeParams, type Pointer } from "../src/engines/llama/native/api.ts";
import { BatchMemory, type Row } from "../src/engines/llama/native/batch-memory.ts";
import { NativeContext } from "../src/engines/llama/native/context.ts";
import { loadLibraries } from "../src/engines/llama/native/library.ts";
import { NativeModel } from "../src/engines/llama/native/model.ts";
import { Threads } from "../src/engines/llama/native/threads.ts";
import { argmax } from "../src/engines/llama/pick/sampler.ts";
import { Scheduler } from "../src/engines/llama/schedule/scheduler.ts";
import type { FromEngine, GenerateMessage } from "../src/engines/llama/wire/messages.ts";
import { BATCH_TOKENS, CPU_BLOCK_TOKENS } from "../src/engines/llama/wire/sizes.ts";

/** Generates tokens one by one behind the prompt; tells when the first one is there, and returns behind the last. */
export type Loop = (prompt: readonly number[], tokens: number, onFirst: () => void) => Promise<void>;

export interface Loops {
  readonly byName: Readonly<Record<string, Loop>>;
  /** Milliseconds between the return of a decode and the start of the next, of the scheduler's steps so far. */
  readonly gapsMs: readonly number[];
  /** Milliseconds of one `argmax` over the vocabulary. */
  argmaxMs(): number;
}

const SLOT_TOKENS = 2_048;
/** How long idle threads look for work before they sleep, 0 to 100; 50 is the library's default. */
const NO_POLLING = 0;
const POLLING = 50;

/** Once per process. */
export async function openLoops(path: string, threads: number): Promise<Loops> {
  const api = bindApi(loadLibraries());
  api.logSet(api.isQuantizedSymbol, null);
  const model = await NativeModel.load(api, path, () => "");
  const quiet = new BareContext(api, model, threads, NO_POLLING);
  const polling = new BareContext(api, model, threads, POLLING);
  const size = { slots: 1, slotTokens: SLOT_TOKENS, threads };
  const batches = { batchTokens: BATCH_TOKENS, microBatchTokens: CPU_BLOCK_TOKENS };
  const context = new NativeContext(api, model, { ...size, ...batches, choice: new Threads(threads) });
  const timed = new TimedContext(api, model, { ...size, ...batches, choice: new Threads(threads) });
  const logits = new Float32Array(model.facts.vocabularySize).map((_, index) => (index * 7919) % 1_000);
  return {
    byName: {
      "library, called directly": (...asked) => quiet.direct(...asked),
      "library, through koffi's thread": (...asked) => quiet.aside(...asked),
      "the same, its threads polling": (...asked) => polling.aside(...asked),
      "context and argmax": (...asked) => pickLoop(context, ...asked),
      scheduler: schedulerLoop(timed, model),
    },
    gapsMs: timed.gapsMs,
    argmaxMs: () => {
      const started = performance.now();
      argmax(logits);
      return performance.now() - started;
    },
  };
}

/** What the library needs for a decode, and nothing of ours around it. */
class BareContext {
  readonly #api: LlamaApi;
  readonly #vocabularySize: number;
  readonly #context: Pointer;
  readonly #pool: Pointer;
  readonly #batch = new BatchMemory(CPU_BLOCK_TOKENS, 1);

  constructor(api: LlamaApi, model: NativeModel, threads: number, poll: number) {
    const context = api.contextInit(model.pointer, {
      ...api.contextDefaultParams(),
      ...{ n_ctx: SLOT_TOKENS, n_batch: CPU_BLOCK_TOKENS, n_ubatch: CPU_BLOCK_TOKENS, n_seq_max: 1 },
      ...{ n_threads: threads, n_threads_batch: threads },
    });
    const pool = api.threadpoolNew({ ...api.threadpoolParams(threads), poll });
    if (context === null || pool === null) throw new Error("the library gives no context");
    api.attachThreadpool(context, pool, pool);
    this.#api = api;
    this.#vocabularySize = model.facts.vocabularySize;
    this.#context = context;
    this.#pool = pool;
  }

  async direct(prompt: readonly number[], tokens: number, onFirst: () => void): Promise<void> {
    await this.#loop(prompt, tokens, onFirst, (batch) => this.#api.decode(this.#context, batch));
  }

  async aside(prompt: readonly number[], tokens: number, onFirst: () => void): Promise<void> {
    const decode = (batch: NativeParams): Promise<number> =>
      new Promise((resolve, reject) => {
        this.#api.decode.async(this.#context, batch, (error, code) => (error === null ? resolve(code) : reject(error)));
      });
    await this.#loop(prompt, tokens, onFirst, decode);
  }

  async #loop(
    prompt: readonly number[],
    tokens: number,
    onFirst: () => void,
    decode: (batch: NativeParams) => number | Promise<number>,
  ): Promise<void> {
    const evaluate = async (rows: readonly Row[]): Promise<void> => {
      const outcome = decode(this.#batch.fill(rows, this.#vocabularySize));
      const code = typeof outcome === "number" ? outcome : await outcome;
      if (code !== 0) throw new Error(`llama_decode failed with ${code}`);
    };
    this.#api.sequenceRemove(this.#api.contextMemory(this.#context), 0, 0, -1);
    await evaluate(prompt.map(row));
    onFirst();
    for (let count = 1; count < tokens; count += 1) await evaluate([row(1_000 + count, prompt.length + count - 1)]);
    this.#api.threadpoolPause(this.#pool);
  }
}

async function pickLoop(
  context: NativeContext,
  prompt: readonly number[],
  tokens: number,
  onFirst: () => void,
): Promise<void> {
  context.truncate(0, 0);
  await context.decode(prompt.map(row));
  onFirst();
  let token = argmax(context.logits(0));
  for (let count = 1; count < tokens; count += 1) {
    await context.decode([row(token, prompt.length + count - 1)]);
    token = argmax(context.logits(0));
  }
  context.pause();
}

class TimedContext extends NativeContext {
  readonly gapsMs: number[] = [];
  #endedMs: number | undefined;

  override async decode(rows: readonly Row[]): ReturnType<NativeContext["decode"]> {
    if (this.#endedMs !== undefined) this.gapsMs.push(performance.now() - this.#endedMs);
    const outcome = await super.decode(rows);
    this.#endedMs = performance.now();
    return outcome;
  }

  override pause(): void {
    this.#endedMs = undefined;
    super.pause();
  }
}

/** Messages are written as they would be for the server, and go nowhere. */
function schedulerLoop(context: NativeContext, model: NativeModel): Loop {
  let heard: (generated: number, isFinished: boolean) => void = () => {};
  const send = (message: FromEngine): void => {
    JSON.stringify(message);
    if (message.type === "refused") throw new Error(message.message);
    if (message.type !== "step") return;
    for (const { generated, finished } of message.outputs) heard(generated.length, finished !== undefined);
  };
  const options = { slots: 1, blockTokens: CPU_BLOCK_TOKENS, deterministic: false, queueLimit: 1 };
  const scheduler = new Scheduler(context, model, { ...options, now: () => performance.now(), send, report });
  void scheduler.run();
  let id = 0;
  return (prompt, tokens, onFirst) =>
    new Promise((resolve) => {
      let seen = 0;
      heard = (generated, isFinished) => {
        if (seen === 0 && generated > 0) onFirst();
        seen += generated;
        if (isFinished) resolve();
      };
      id += 1;
      scheduler.submit(greedy(id, prompt, tokens));
    });
}

function greedy(id: number, prompt: readonly number[], maxTokens: number): GenerateMessage {
  return {
    ...{ type: "generate", id, lane: "interactive", ends: [], sampling: { temperature: 0 }, logitBias: [], seed: "1" },
    prompt: { sections: [{ role: "prefix", parts: [{ tokens: prompt }] }], countOffset: 0 },
    limits: { stopStrings: [], stopSequences: [], maxInputTokens: SLOT_TOKENS, truncate: false, maxTokens },
    ...{ promptLogprobs: false, healing: false, speculation: false, choices: [[]], resumed: false },
  };
}

function report(error: unknown): never {
  throw error;
}

function row(token: number, position: number): Row {
  return { token, position, sequence: 0, output: true };
}
