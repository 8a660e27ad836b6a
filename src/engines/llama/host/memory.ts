/**
 * How much memory a model takes, told before it is loaded. Held against the resident memory of engine processes
 * (`docs/design.md` has the figures): a few per cent above it, except where the processor wants quantised weights in
 * another order. Then the file's own pages are mapped besides; nobody reads them again, and the system drops them when
 * memory is short, so they are not counted.
 */
import { fitsInto, type MemoryBytes } from "../../../continuation/memory.ts";
import { ServiceError } from "../../../errors.ts";
import type { HeaderFacts } from "../file/header-facts.ts";
import type { EngineOptions } from "../wire/messages.ts";
import { BATCH_TOKENS, CPU_BLOCK_TOKENS, GPU_BLOCK_TOKENS } from "../wire/sizes.ts";

/** Bytes. */
export interface Footprint {
  readonly weights: number;
  /** Keys and values of all slots. */
  readonly cache: number;
  /** Process, libraries, vocabulary and the buffers of a step. */
  readonly rest: number;
  readonly total: number;
  /** The same total, by where it lies. */
  readonly memory: MemoryBytes;
}

export interface Slots {
  readonly slots: number;
  readonly slotTokens: number;
  /** Attention scores are written out, which flash attention spares. */
  readonly deterministic: boolean;
}

/** Layers that go to a GPU; absent: all, where there is one. */
export interface Offload {
  readonly hasGpu: boolean;
  readonly gpuLayers?: number;
}

const PROCESSOR: Offload = { hasGpu: false };

/** Requests that one model runs at the same time unless the configuration says otherwise. */
export const DEFAULT_SLOTS = 4;

/** Context tokens per slot unless the model was trained for fewer. */
const DEFAULT_SLOT_TOKENS = 8_192;
/** Below this a slot is of little use. */
const MIN_SLOT_TOKENS = 512;

/** llama.cpp rounds the cells of a cache up to a multiple of this. */
const CELL_GRAIN = 256;
/** A Node process with the libraries, at work: 65 to 72 MiB. */
const PROCESS_BYTES = 72 << 20;
/** Texts, bytes, scores and tables of the vocabulary: 500 to 800 bytes a token. */
const VOCABULARY_BYTES_PER_TOKEN = 800;
/** Where a cell belongs, and its part of the attention masks. */
const BOOKKEEPING_BYTES_PER_CELL = 900;
/** Rows of logits that one step may ask for besides one per slot; whole prompts are scored in more, which is rare. */
const SPARE_LOGIT_ROWS = 8;

export function footprint(
  facts: HeaderFacts,
  { slots, slotTokens, deterministic }: Slots,
  offload: Offload = PROCESSOR,
): Footprint {
  const cells = slots * Math.ceil(slotTokens / CELL_GRAIN) * CELL_GRAIN;
  const logits = 4 * facts.vocabularySize * (slots + SPARE_LOGIT_ROWS);
  const weights = facts.weightBytes;
  const cache = cells * facts.cacheBytesPerToken;
  const tables = facts.vocabularySize * VOCABULARY_BYTES_PER_TOKEN + cells * BOOKKEEPING_BYTES_PER_CELL;
  const share = gpuShare(facts, offload);
  const block = share > 0 ? GPU_BLOCK_TOKENS : CPU_BLOCK_TOKENS;
  const scores = deterministic ? 4 * block * slotTokens * facts.heads : 0;
  const buffers = logits + scores + 4 * BATCH_TOKENS * facts.activationFloats;
  const rest = Math.ceil(PROCESS_BYTES + tables + buffers);
  const total = weights + cache + rest;
  const gpu = share === 0 ? 0 : Math.ceil(share * (weights + cache) + buffers);
  return { weights, cache, rest, total, memory: { machine: total - gpu, gpu } };
}

/** Part of the weights and of the cache that lies in the memory of a GPU. */
function gpuShare({ layers }: HeaderFacts, { hasGpu, gpuLayers = Number.POSITIVE_INFINITY }: Offload): number {
  if (!hasGpu || gpuLayers === 0) return 0;
  return gpuLayers >= layers ? 1 : gpuLayers / layers;
}

/** Tokens of one slot: as configured, else the default, halved until the model fits into the budget. */
export function fittingSlotTokens(
  facts: HeaderFacts,
  options: EngineOptions,
  budget: MemoryBytes,
  offload: Offload = PROCESSOR,
): number {
  if (options.slotTokens !== undefined) return options.slotTokens;
  const fits = (slotTokens: number): boolean =>
    fitsInto(footprint(facts, { ...options, slotTokens }, offload).memory, budget);
  let tokens = Math.min(DEFAULT_SLOT_TOKENS, facts.trainedTokens);
  while (tokens > MIN_SLOT_TOKENS && !fits(tokens)) tokens = Math.max(MIN_SLOT_TOKENS, Math.ceil(tokens / 2));
  return tokens;
}

/** Throws `model_unavailable` for a model that would not fit even with all the budget for itself. */
export function assertFits(name: string, needed: Footprint, budget: MemoryBytes): void {
  const { weights, cache, rest, memory } = needed;
  if (fitsInto(memory, budget)) return;
  const parts = `weights ${inMebibytes(weights)}, cache ${inMebibytes(cache)}, the rest ${inMebibytes(rest)}`;
  const advice = "set fewer or smaller slots, choose a smaller quantisation, or raise memory_budget";
  const text =
    memory.gpu > budget.gpu
      ? `needs about ${inMebibytes(memory.gpu)} of the GPU's memory (of ${parts}), more than its budget of ${inMebibytes(budget.gpu)}; ` +
        `set fewer gpu_layers, ${advice}`
      : `needs about ${inMebibytes(memory.machine)} (${memory.gpu > 0 ? "of " : ""}${parts}), ` +
        `more than the memory budget of ${inMebibytes(budget.machine)}; ${advice}`;
  throw new ServiceError("model_unavailable", `model "${name}" ${text}`);
}

export function inMebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
