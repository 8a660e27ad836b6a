import koffi from "koffi";
import { ServiceError } from "../../errors.ts";
import type { LlamaApi, NativeParams, Pointer } from "./api.ts";
import type { NativeModel } from "./model.ts";
import { Pace } from "./pace.ts";
import type { Progress } from "./watchdog.ts";

export interface ContextOptions {
  readonly slots: number;
  /** Tokens each slot may hold. */
  readonly slotTokens: number;
  readonly threads: number;
  /** Most tokens of one decode. */
  readonly batchTokens: number;
  /**
   * Most tokens of one pass through the model; a longer batch goes in several. Also the unit of what an abort leaves in
   * memory.
   */
  readonly microBatchTokens: number;
}

/** One row of a batch. */
export interface Row {
  readonly token: number;
  readonly position: number;
  readonly sequence: number;
  /** The row's logits are wanted. */
  readonly output: boolean;
}

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
   * `aborted` that `abort()` was called: the memory then holds some of the rows or none (see `truncate`).
   */
  async decode(rows: readonly Row[]): Promise<"done" | "full" | "aborted"> {
    if (this.#decoding !== undefined) throw new Error("a decode is running already");
    if (rows.length === 0 || rows.length > this.batchTokens) throw new RangeError(`a batch of ${rows.length} rows`);
    const batch = this.#batch.fill(rows, this.#vocabularySize);
    this.#abort.fill(1n);
    this.#decoding = rows.length;
    const startedMs = performance.now();
    try {
      const code = await new Promise<number>((resolve, reject) => {
        this.#api.decode.async(this.#pointer, batch, (error, result) =>
          error === null ? resolve(result) : reject(error),
        );
      });
      if (code === 0) {
        this.#pace.observe(rows.length, performance.now() - startedMs);
        return "done";
      }
      if (code === 1) return "full";
      if (code === 2) return "aborted";
      throw new Error(`llama_decode failed with ${code}`);
    } finally {
      this.#decoding = undefined;
      this.#decodes += 1;
    }
  }

  get progress(): Progress {
    if (this.#decoding === undefined) return { count: this.#decodes };
    const expectedMs = this.#pace.expectedMs(this.#decoding);
    const activity = `a step of ${this.#decoding} rows`;
    return { count: this.#decodes, activity, ...(expectedMs !== undefined && { expectedMs }) };
  }

  /** Stops the running decode within milliseconds; harmless when none runs. */
  abort(): void {
    if (this.#decoding !== undefined) this.#abort.fill(0n);
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

  /** Lets the worker threads sleep; the next decode wakes them. Without it they burn their cores for a while. */
  pause(): void {
    this.#api.threadpoolPause(this.#pool);
  }

  free(): void {
    if (this.#decoding !== undefined) throw new Error("a decode is running");
    this.#api.contextFree(this.#pointer);
    this.#api.threadpoolFree(this.#pool);
  }
}

/** The arrays of a llama_batch, allocated once outside the JavaScript heap. */
class BatchMemory {
  readonly #params: NativeParams;
  readonly #tokens: Int32Array;
  readonly #positions: Int32Array;
  readonly #sequences: BigUint64Array;
  readonly #outputs: Uint8Array;
  readonly #sequenceIds: Pointer;

  constructor(capacity: number, sequences: number) {
    const int32 = (length: number): { address: Pointer; view: Int32Array } => {
      const address = koffi.address(koffi.alloc("int32", length));
      return { address, view: new Int32Array(koffi.view(address, length * 4)) };
    };
    const tokens = int32(capacity);
    const positions = int32(capacity);
    const counts = int32(capacity);
    const ids = int32(sequences);
    const pointers = koffi.address(koffi.alloc("uint64", capacity));
    const outputs = koffi.address(koffi.alloc("uint8", capacity));
    ids.view.set(Array.from({ length: sequences }, (_, index) => index));
    counts.view.fill(1);
    this.#tokens = tokens.view;
    this.#positions = positions.view;
    this.#sequences = new BigUint64Array(koffi.view(pointers, capacity * 8));
    this.#outputs = new Uint8Array(koffi.view(outputs, capacity));
    this.#sequenceIds = ids.address;
    this.#params = {
      n_tokens: 0,
      token: tokens.address,
      embd: null,
      pos: positions.address,
      n_seq_id: counts.address,
      seq_id: pointers,
      logits: outputs,
    };
  }

  fill(rows: readonly Row[], vocabularySize: number): NativeParams {
    for (const [index, row] of rows.entries()) {
      if (row.token < 0 || row.token >= vocabularySize)
        throw new RangeError(`token ${row.token} is not in the vocabulary`);
      this.#tokens[index] = row.token;
      this.#positions[index] = row.position;
      this.#sequences[index] = this.#sequenceIds + BigInt(row.sequence * 4);
      this.#outputs[index] = row.output ? 1 : 0;
    }
    return { ...this.#params, n_tokens: rows.length };
  }
}

/** Without a pool of its own a context creates and joins its threads for every decode. */
function attachPool(api: LlamaApi, context: Pointer, threads: number): Pointer {
  const pool = api.threadpoolNew(api.threadpoolParams(threads));
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
