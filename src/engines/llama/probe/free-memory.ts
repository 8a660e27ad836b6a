import { totalmem } from "node:os";
import type { MemoryBytes } from "../../../continuation/memory.ts";
import type { Device } from "../native/devices.ts";

/** macOS calls memory free only when it holds nothing at all, not even what could be read again from a disk. */
const MAC_USABLE_PART = 0.7;

/** Memory in which models can be put: what this process may still take of the machine or of its container, and all GPUs'. */
export function freeModelMemory(gpus: readonly Device[]): MemoryBytes {
  const machine = process.platform === "darwin" ? MAC_USABLE_PART * totalmem() : process.availableMemory();
  return { machine, gpu: gpus.reduce((sum, { freeBytes }) => sum + freeBytes, 0) };
}
