import { totalmem } from "node:os";
import type { Device } from "./devices.ts";

/** macOS calls memory free only when it holds nothing at all, not even what could be read again from a disk. */
const MAC_USABLE_PART = 0.7;

/**
 * Memory in which models can be put, bytes: that of the GPUs where there are some, else what this process may still take
 * of the machine or of its container.
 */
export function freeModelMemory(gpus: readonly Device[], gpuLayers: number | undefined): number {
  const own = process.platform === "darwin" ? MAC_USABLE_PART * totalmem() : process.availableMemory();
  if (gpus.length === 0 || gpuLayers === 0) return own;
  return gpus.reduce((sum, { freeBytes }) => sum + freeBytes, 0);
}
