/**
 * Memory layout of the structures of llama.cpp v0.4.0, as shipped in the platform packages of this version.
 * Read off the public headers of that release; the same on every 64-bit platform. `library.ts` verifies it before use.
 */
export const PACKAGE_VERSION = "3.21.1";
export const LLAMA_VERSION = "0.4.0";

/** Type name as koffi spells it, and the offset in bytes. */
type Field = readonly [type: string, offset: number];

export interface StructLayout {
  /** Bytes. */
  readonly size: number;
  /** In memory order. */
  readonly fields: Readonly<Record<string, Field>>;
  /** What the library's own default function returns: the check that layout and library belong together. */
  readonly defaults: Readonly<Record<string, number | boolean>>;
}

export const MODEL_PARAMS: StructLayout = {
  size: 80,
  fields: {
    devices: ["void *", 0],
    tensor_buft_overrides: ["void *", 8],
    n_gpu_layers: ["int32", 16],
    split_mode: ["int32", 20],
    load_mode: ["int32", 24],
    lazy_mode: ["int32", 28],
    main_gpu: ["int32", 32],
    tensor_split: ["void *", 40],
    progress_callback: ["void *", 48],
    progress_callback_user_data: ["void *", 56],
    kv_overrides: ["void *", 64],
    vocab_only: ["bool", 72],
    check_tensors: ["bool", 73],
    use_extra_bufts: ["bool", 74],
    no_host: ["bool", 75],
    no_alloc: ["bool", 76],
    load_mtp: ["bool", 77],
  },
  defaults: {
    n_gpu_layers: -1,
    split_mode: 1,
    load_mode: -1,
    lazy_mode: 1,
    main_gpu: 0,
    use_extra_bufts: true,
    vocab_only: false,
  },
};

export const CONTEXT_PARAMS: StructLayout = {
  size: 160,
  fields: {
    n_ctx: ["uint32", 0],
    n_batch: ["uint32", 4],
    n_ubatch: ["uint32", 8],
    n_seq_max: ["uint32", 12],
    n_rs_seq: ["uint32", 16],
    n_outputs_max: ["uint32", 20],
    n_outputs_max_per_seq: ["uint32", 24],
    n_threads: ["int32", 28],
    n_threads_batch: ["int32", 32],
    ctx_type: ["int32", 36],
    rope_scaling_type: ["int32", 40],
    pooling_type: ["int32", 44],
    attention_type: ["int32", 48],
    flash_attn_type: ["int32", 52],
    rope_freq_base: ["float", 56],
    rope_freq_scale: ["float", 60],
    yarn_ext_factor: ["float", 64],
    yarn_attn_factor: ["float", 68],
    yarn_beta_fast: ["float", 72],
    yarn_beta_slow: ["float", 76],
    yarn_orig_ctx: ["uint32", 80],
    defrag_thold: ["float", 84],
    cb_eval: ["void *", 88],
    cb_eval_user_data: ["void *", 96],
    type_k: ["int32", 104],
    type_v: ["int32", 108],
    abort_callback: ["void *", 112],
    abort_callback_data: ["void *", 120],
    embeddings: ["bool", 128],
    offload_kqv: ["bool", 129],
    no_perf: ["bool", 130],
    op_offload: ["bool", 131],
    swa_full: ["bool", 132],
    kv_unified: ["bool", 133],
    samplers: ["void *", 136],
    n_samplers: ["size_t", 144],
    ctx_other: ["void *", 152],
  },
  defaults: {
    n_ctx: 512,
    n_batch: 2048,
    n_ubatch: 512,
    n_seq_max: 1,
    n_threads: 4,
    n_threads_batch: 4,
    flash_attn_type: -1,
    type_k: 1,
    type_v: 1,
    offload_kqv: true,
    no_perf: true,
    op_offload: true,
    kv_unified: false,
  },
};

export const BATCH: StructLayout = {
  size: 56,
  fields: {
    n_tokens: ["int32", 0],
    token: ["void *", 8],
    embd: ["void *", 16],
    pos: ["void *", 24],
    n_seq_id: ["void *", 32],
    seq_id: ["void *", 40],
    logits: ["void *", 48],
  },
  defaults: {},
};

export const THREADPOOL_PARAMS: StructLayout = {
  size: 528,
  fields: {
    cpumask: ["cpumask", 0],
    n_threads: ["int32", 512],
    prio: ["int32", 516],
    poll: ["uint32", 520],
    strict_cpu: ["bool", 524],
    paused: ["bool", 525],
  },
  defaults: { prio: 0, poll: 50, strict_cpu: false, paused: false },
};
