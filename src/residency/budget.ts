import type { MemoryBytes } from "../continuation/memory.ts";

/** Part of the free memory that models may take unless the operator says otherwise. The rest is for everybody else. */
const DEFAULT_PART = 0.8;

/**
 * What all loaded models together may take. A size that was named holds for every memory by itself.
 *
 * @param free at start.
 */
export function memoryBudget(
  configured: { readonly bytes: number } | { readonly part: number } | undefined,
  free: MemoryBytes,
): MemoryBytes {
  const of = (freeBytes: number): number => {
    if (configured === undefined) return Math.floor(DEFAULT_PART * freeBytes);
    return Math.floor("bytes" in configured ? configured.bytes : configured.part * freeBytes);
  };
  return { machine: of(free.machine), gpu: free.gpu === 0 ? 0 : of(free.gpu) };
}
