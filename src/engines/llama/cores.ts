import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** Threads for the engine: the physical cores it may use, less one for the server where there are four or more. */
export function defaultThreads(): number {
  const cores = physicalCores();
  return cores >= 4 ? cores - 1 : cores;
}

/** Two threads on one core share its arithmetic units, so hardware threads do not count. */
function physicalCores(): number {
  const logical = availableParallelism();
  if (process.platform !== "linux") return process.arch === "x64" ? Math.max(1, logical >> 1) : logical;
  try {
    const text = readFileSync("/proc/cpuinfo", "utf8");
    const ids = text.split("\n\n").flatMap((block) => {
      const value = (key: string): string | undefined => new RegExp(`^${key}\\s*: (\\d+)$`, "m").exec(block)?.[1];
      const core = value("core id");
      return core === undefined ? [] : [`${value("physical id") ?? "0"}/${core}`];
    });
    const cores = new Set(ids).size;
    return cores === 0 ? logical : Math.min(cores, logical);
  } catch {
    return logical; // no /proc: a container may hide it
  }
}
