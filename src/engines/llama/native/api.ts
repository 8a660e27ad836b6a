import koffi, { type LibraryHandle } from "koffi";
import type { NativeLibraries } from "./library.ts";

/** An address; null is NULL. Using a freed one ends the process: owners are `NativeModel` and `NativeContext` only. */
export type Pointer = bigint;

export type NativeParams = Record<string, unknown>;

/** Native functions with a version that runs off the JavaScript thread. */
interface Async<A extends readonly unknown[], R> {
  (...args: A): R;
  async(...args: [...A, (error: Error | null, result: R) => void]): void;
}

/** The C functions we call, bound at once so that a missing symbol shows at start. Names and meanings: llama.h. */
export interface LlamaApi {
  readonly modelDefaultParams: () => NativeParams;
  readonly modelLoad: Async<[path: string, params: NativeParams], Pointer | null>;
  readonly modelFree: (model: Pointer) => void;
  readonly modelVocab: (model: Pointer) => Pointer;
  readonly modelContextTrain: (model: Pointer) => number;
  readonly modelLayers: (model: Pointer) => number;
  readonly modelEmbedding: (model: Pointer) => number;
  readonly modelHeads: (model: Pointer) => number;
  readonly modelHeadsKv: (model: Pointer) => number;
  readonly modelSize: (model: Pointer) => number | bigint;
  readonly modelDescription: (model: Pointer, buffer: Buffer, size: number) => number;
  readonly modelMeta: (model: Pointer, key: string, buffer: Buffer, size: number) => number;
  readonly modelChatTemplate: (model: Pointer, name: null) => string | null;
  readonly modelIsRecurrent: (model: Pointer) => boolean;
  readonly modelIsHybrid: (model: Pointer) => boolean;
  readonly modelHasEncoder: (model: Pointer) => boolean;

  readonly vocabSize: (vocab: Pointer) => number;
  readonly tokenize: Async<
    [
      vocab: Pointer,
      text: Buffer,
      bytes: number,
      tokens: Int32Array,
      max: number,
      addSpecial: boolean,
      parseSpecial: boolean,
    ],
    number
  >;
  readonly tokenToPiece: (
    vocab: Pointer,
    token: number,
    buffer: Buffer,
    size: number,
    lstrip: number,
    special: boolean,
  ) => number;
  readonly tokenText: (vocab: Pointer, token: number) => string;
  readonly tokenAttributes: (vocab: Pointer, token: number) => number;
  readonly vocabAddBos: (vocab: Pointer) => boolean;
  readonly vocabBos: (vocab: Pointer) => number;
  readonly vocabEos: (vocab: Pointer) => number;
  readonly vocabEot: (vocab: Pointer) => number;

  readonly contextDefaultParams: () => NativeParams;
  readonly contextInit: (model: Pointer, params: NativeParams) => Pointer | null;
  readonly contextFree: (context: Pointer) => void;
  readonly contextCellsPerSequence: (context: Pointer) => number;
  readonly contextBatch: (context: Pointer) => number;
  readonly contextMemory: (context: Pointer) => Pointer;
  readonly decode: Async<[context: Pointer, batch: NativeParams], number>;
  readonly logitsOf: (context: Pointer, row: number) => Pointer | null;
  readonly setAbortCallback: (context: Pointer, callback: Pointer, data: Pointer) => void;
  readonly setThreads: (context: Pointer, threads: number, batchThreads: number) => void;
  readonly attachThreadpool: (context: Pointer, pool: Pointer, batchPool: Pointer) => void;

  readonly sequenceRemove: (memory: Pointer, sequence: number, from: number, to: number) => boolean;
  readonly sequenceCopy: (memory: Pointer, from: number, to: number, start: number, end: number) => void;

  readonly threadpoolParams: (threads: number) => NativeParams;
  readonly threadpoolNew: (params: NativeParams) => Pointer | null;
  readonly threadpoolPause: (pool: Pointer) => void;
  readonly threadpoolFree: (pool: Pointer) => void;

  readonly logSet: (callback: Pointer | null, data: null) => void;
  /** Addresses of C functions that serve as callbacks without JavaScript (see `NativeContext`). */
  readonly isEmptySymbol: Pointer;
  readonly isQuantizedSymbol: Pointer;
}

export function bindApi({ llama, base, cpu, types }: NativeLibraries): LlamaApi {
  const { modelParams, contextParams, batch, threadpoolParams } = types;
  // koffi returns untyped functions; the interface above is what each symbol is.
  const from =
    (library: LibraryHandle) =>
    <T>(name: string, result: unknown, args: readonly unknown[]): T =>
      library.func(name, result as never, args as never) as unknown as T;
  const fn = from(llama);
  const p = "void *";
  return {
    modelDefaultParams: fn("llama_model_default_params", modelParams, []),
    modelLoad: fn("llama_model_load_from_file", p, ["str", modelParams]),
    modelFree: fn("llama_model_free", "void", [p]),
    modelVocab: fn("llama_model_get_vocab", p, [p]),
    modelContextTrain: fn("llama_model_n_ctx_train", "int32", [p]),
    modelLayers: fn("llama_model_n_layer", "int32", [p]),
    modelEmbedding: fn("llama_model_n_embd", "int32", [p]),
    modelHeads: fn("llama_model_n_head", "int32", [p]),
    modelHeadsKv: fn("llama_model_n_head_kv", "int32", [p]),
    modelSize: fn("llama_model_size", "uint64", [p]),
    modelDescription: fn("llama_model_desc", "int32", [p, p, "size_t"]),
    modelMeta: fn("llama_model_meta_val_str", "int32", [p, "str", p, "size_t"]),
    modelChatTemplate: fn("llama_model_chat_template", "str", [p, "str"]),
    modelIsRecurrent: fn("llama_model_is_recurrent", "bool", [p]),
    modelIsHybrid: fn("llama_model_is_hybrid", "bool", [p]),
    modelHasEncoder: fn("llama_model_has_encoder", "bool", [p]),
    vocabSize: fn("llama_vocab_n_tokens", "int32", [p]),
    tokenize: fn("llama_tokenize", "int32", [p, p, "int32", p, "int32", "bool", "bool"]),
    tokenToPiece: fn("llama_token_to_piece", "int32", [p, "int32", p, "int32", "int32", "bool"]),
    tokenText: fn("llama_vocab_get_text", "str", [p, "int32"]),
    tokenAttributes: fn("llama_vocab_get_attr", "int32", [p, "int32"]),
    vocabAddBos: fn("llama_vocab_get_add_bos", "bool", [p]),
    vocabBos: fn("llama_vocab_bos", "int32", [p]),
    vocabEos: fn("llama_vocab_eos", "int32", [p]),
    vocabEot: fn("llama_vocab_eot", "int32", [p]),
    contextDefaultParams: fn("llama_context_default_params", contextParams, []),
    contextInit: fn("llama_init_from_model", p, [p, contextParams]),
    contextFree: fn("llama_free", "void", [p]),
    contextCellsPerSequence: fn("llama_n_ctx_seq", "uint32", [p]),
    contextBatch: fn("llama_n_batch", "uint32", [p]),
    contextMemory: fn("llama_get_memory", p, [p]),
    decode: fn("llama_decode", "int32", [p, batch]),
    logitsOf: fn("llama_get_logits_ith", p, [p, "int32"]),
    setAbortCallback: fn("llama_set_abort_callback", "void", [p, p, p]),
    setThreads: fn("llama_set_n_threads", "void", [p, "int32", "int32"]),
    attachThreadpool: fn("llama_attach_threadpool", "void", [p, p, p]),
    sequenceRemove: fn("llama_memory_seq_rm", "bool", [p, "int32", "int32", "int32"]),
    sequenceCopy: fn("llama_memory_seq_cp", "void", [p, "int32", "int32", "int32", "int32"]),
    threadpoolParams: from(base)("ggml_threadpool_params_default", threadpoolParams, ["int"]),
    threadpoolNew: from(cpu)("ggml_threadpool_new", p, [koffi.pointer(threadpoolParams)]),
    threadpoolPause: from(cpu)("ggml_threadpool_pause", "void", [p]),
    threadpoolFree: from(cpu)("ggml_threadpool_free", "void", [p]),
    logSet: fn("llama_log_set", "void", [p, p]),
    isEmptySymbol: base.symbol("ggml_is_empty") as Pointer,
    isQuantizedSymbol: base.symbol("ggml_is_quantized") as Pointer,
  };
}
