import koffi from "koffi";
import { ServiceError } from "../../../errors.ts";
import type { Progress } from "../wire/progress.ts";
import type { LlamaApi, NativeParams, Pointer } from "./api.ts";
import { BatchMemory, type Row } from "./batch-memory.ts";
import type { NativeModel } from "./model.ts";
import { Pace } from "./pace.ts";
import { type Clocks, LOOK_MS, type StepThreads } from "./threads.ts";

export interface ContextOptions {
  readonly slots: number;
  /** Tokens each slot may hold. */
  readonly slotTokens: number;
  /** Most threads that compute a step. */
  readonly threads: number;
  /** Chooses how many do; absent: always the most. Not for GPUs, where threads wait without using the processor. */
  readonly choice?: StepThreads;
  /** Most tokens of one decode. */
  readonly batchTokens: number;
  /**
   * Most tokens of one pass through the model; a longer batch goes in several. Also the unit of what an abort leaves in
   * memory.
   */
  readonly microBatchTokens: number;
  /**
   * The same bits for any number of threads, without flash attention, which divides a row among the threads so that their
   * number changes its rounding. Absent: no.
   */
  readonly threadInvariant?: boolean;
}

/** `LLAMA_FLASH_ATTN_TYPE_DISABLED`. */
const NO_FLASH_ATTENTION = 0;

/** A llama context with its thread pool, batch memory and abort flag. One decode at a time; checks what would end the process. */
export class NativeContext {
  readonly slotTokens: number;
  readonly batchTokens: number;
  readonly #api: LlamaApi;
  readonly #pointer: Pointer;
  readonly #memory: Pointer;
  readonly #pool: Pointer;
  readonly #vocabularySize: number;
  readonly #batch: BatchMemory;
  readonly #abort: BigInt64Array;
  readonly #logits = new Map<Pointer, Float32Array>();
  readonly #pace = new Pace();
  readonly #choice: StepThreads | undefined;
  #threadsInUse: number;
  #isUnwanted = false;
  #decodes = 0;
  /** Rows of the decode that is running. */
  #decoding: number | undefined;

  constructor(api: LlamaApi, model: NativeModel, options: ContextOptions) {
    this.#api = api;
    this.#vocabularySize = model.facts.vocabularySize;
    const cells = options.slots * options.slotTokens;
    const pointer = api.contextInit(model.pointer, {
      ...api.contextDefaultParams(),
      n_ctx: cells,
      n_batch: Math.min(cells, options.batchTokens),
      n_ubatch: Math.min(cells, options.microBatchTokens),
      n_seq_max: options.slots,
      n_threads: options.threads,
      n_threads_batch: options.threads,
      ...(options.threadInvariant === true && { flash_attn_type: NO_FLASH_ATTENTION }),
      // Each sequence has cells of its own: where the cells of a text lie changes the rounding of its attention.
      kv_unified: false,
    });
    if (pointer === null) {
      throw new ServiceError(
        "model_unavailable",
        `no context of ${options.slots} × ${options.slotTokens} tokens could be made for the model; set fewer or smaller slots`,
      );
    }
    this.#pointer = pointer;
    this.#choice = options.choice;
    this.#threadsInUse = options.threads;
    this.#memory = api.contextMemory(pointer);
    // The library rounds what was asked for; what it says now is what holds.
    this.slotTokens = Math.min(options.slotTokens, api.contextCellsPerSequence(pointer));
    this.batchTokens = api.contextBatch(pointer);
    this.#batch = new BatchMemory(this.batchTokens, options.slots);
    this.#pool = attachPool(api, pointer, options.threads);
    this.#abort = attachAbortFlag(api, pointer);
  }

  /**
   * Evaluates rows; `done` leaves the logits of the output rows readable until the next decode, `full` means no free cells,
   * `aborted` that `abort()` was called: the memory then holds none of the rows.
   */
  async decode(rows: readonly Row[]): Promise<"done" | "full" | "aborted"> {
    if (this.#decoding !== undefined) throw new Error("a decode is running already");
    if (rows.length === 0 || rows.length > this.batchTokens) throw new RangeError(`a batch of ${rows.length} rows`);
    const batch = this.#batch.fill(rows, this.#vocabularySize);
    this.#decoding = rows.length;
    this.#isUnwanted = false;
    try {
      for (;;) {
        const outcome = await this.#attempt(batch, rows.length);
        if (outcome === "aborted" || outcome === "crowded") this.#forget(rows);
        if (outcome !== "crowded") return outcome;
      }
    } finally {
      this.#decoding = undefined;
    }
  }

  /** `crowded`: stopped on the way, because its threads get in each other's way. */
  async #attempt(batch: NativeParams, rows: number): Promise<"done" | "full" | "aborted" | "crowded"> {
    const startedMs = performance.now();
    const threads = this.#choice?.begin(CLOCKS);
    if (threads !== undefined) this.#use(threads);
    this.#abort.fill(this.#isUnwanted ? 0n : 1n);
    let isCrowded = false;
    let timer: NodeJS.Timeout | undefined;
    const lookAfter = (ms: number): void => {
      if (Number.isFinite(ms)) timer = setTimeout(look, ms);
    };
    const look = (): void => {
      isCrowded = this.#choice?.isCrowded(CLOCKS) === true;
      if (isCrowded) this.#abort.fill(0n);
      else lookAfter(LOOK_MS);
    };
    lookAfter(this.#choice?.firstLookMs ?? Number.POSITIVE_INFINITY);
    try {
      const code = await new Promise<number>((resolve, reject) => {
        this.#api.decode.async(this.#pointer, batch, (error, result) =>
          error === null ? resolve(result) : reject(error),
        );
      });
      if (code === 2) return this.#isUnwanted ? "aborted" : "crowded";
      if (code === 1) return "full";
      if (code !== 0) throw new Error(`llama_decode failed with ${code}`);
      if (!isCrowded) this.#choice?.end(CLOCKS);
      this.#pace.observe(rows, performance.now() - startedMs);
      return "done";
    } finally {
      clearTimeout(timer);
      this.#decodes += 1;
    }
  }

  #use(threads: number): void {
    if (threads === this.#threadsInUse) return;
    this.#threadsInUse = threads;
    this.#api.setThreads(this.#pointer, threads, threads);
  }

  /** Leaves no trace of rows that were evaluated in part. */
  #forget(rows: readonly Row[]): void {
    const from = new Map<number, number>();
    for (const { sequence, position } of rows) from.set(sequence, Math.min(position, from.get(sequence) ?? position));
    for (const [sequence, position] of from) this.truncate(sequence, position);
  }

  get progress(): Progress {
    if (this.#decoding === undefined) return { count: this.#decodes };
    const expectedMs = this.#pace.expectedMs(this.#decoding);
    const activity = `a step of ${this.#decoding} ${this.#decoding === 1 ? "row" : "rows"}`;
    return { count: this.#decodes, activity, ...(expectedMs !== undefined && { expectedMs }) };
  }

  /** Stops the running decode within milliseconds; harmless when none runs. */
  abort(): void {
    if (this.#decoding === undefined) return;
    this.#isUnwanted = true;
    this.#abort.fill(0n);
  }

  /** Logits of a batch row by vocabulary id; valid until the next decode. */
  logits(row: number): Float32Array {
    const address = this.#api.logitsOf(this.#pointer, row);
    if (address === null) throw new Error(`row ${row} has no output`);
    const known = this.#logits.get(address);
    if (known !== undefined) return known;
    // A view costs little, but every new one weighs on the garbage collector; addresses repeat until batches grow.
    if (this.#logits.size > 512) this.#logits.clear();
    const view = new Float32Array(koffi.view(address, this.#vocabularySize * 4));
    this.#logits.set(address, view);
    return view;
  }

  /** Forgets the sequence from a position on. */
  truncate(sequence: number, from: number): void {
    if (!this.#api.sequenceRemove(this.#memory, sequence, from, -1))
      throw new Error(`sequence ${sequence} could not be cut at ${from}`);
  }

  /** Makes a sequence a copy of the first `length` positions of another. The cells are copied when the next decode begins. */
  share(from: number, to: number, length: number): void {
    this.#api.sequenceCopy(this.#memory, from, to, -1, -1); // the library copies whole sequences only
    this.truncate(to, length);
  }

  /** Lets the worker threads sleep; the next decode wakes them. */
  pause(): void {
    this.#api.threadpoolPause(this.#pool);
  }

  free(): void {
    if (this.#decoding !== undefined) throw new Error("a decode is running");
    this.#api.contextFree(this.#pointer);
    this.#api.threadpoolFree(this.#pool);
  }
}

const CLOCKS: Clocks = {
  get wallMs() {
    return performance.now();
  },
  /** The JavaScript thread, for which a step waits, uses its own time; it counts as if it had got all that it wanted. */
  get cpuMs() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000 - performance.eventLoopUtilization().active;
  },
};

/**
 * Without a pool of its own a context creates and joins its threads for every decode. Threads that poll for work between two
 * steps, and those that have no part in a step, would keep cores from others, the thread that computes among them.
 */
function attachPool(api: LlamaApi, context: Pointer, threads: number): Pointer {
  const pool = api.threadpoolNew({ ...api.threadpoolParams(threads), poll: 0 });
  if (pool === null) throw new Error("no thread pool could be made");
  api.attachThreadpool(context, pool, pool);
  return pool;
}

/**
 * The library asks a C function "stop?" between the nodes of its graph, on its own threads. `ggml_is_empty` is a C function
 * that says whether one of four numbers of a tensor is 0: given memory of ours instead of a tensor it reads our flag.
 */
function attachAbortFlag(api: LlamaApi, context: Pointer): BigInt64Array {
  const address = koffi.address(koffi.alloc("uint8", 512));
  new Uint8Array(koffi.view(address, 512)).fill(0);
  const flag = new BigInt64Array(koffi.view(address + 16n, 32));
  flag.fill(1n);
  api.setAbortCallback(context, api.isEmptySymbol, address);
  return flag;
}
