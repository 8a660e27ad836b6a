/** Part of the free memory that models may take unless the operator says otherwise. The rest is for everybody else. */
const DEFAULT_PART = 0.8;

/**
 * Bytes that all loaded models together may take.
 *
 * @param freeBytes what is free at start, where the models will lie.
 */
export function memoryBudget(
  configured: { readonly bytes: number } | { readonly part: number } | undefined,
  freeBytes: number,
): number {
  if (configured === undefined) return Math.floor(DEFAULT_PART * freeBytes);
  return Math.floor("bytes" in configured ? configured.bytes : configured.part * freeBytes);
}
