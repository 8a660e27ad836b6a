import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** Threads for the engine: the physical cores it may use, less one for the server where there are four or more. */
export function defaultThreads(): number {
  const cores = physicalCores();
  return cores >= 4 ? cores - 1 : cores;
}

/** Two threads on one core share its arithmetic units, so hardware threads do not count. */
export function physicalCores(): number {
  const logical = availableParallelism();
  if (process.platform !== "linux") return process.arch === "x64" ? Math.max(1, logical >> 1) : logical;
  try {
    return Math.min(coresIn(readFileSync("/proc/cpuinfo", "utf8")) ?? logical, logical);
  } catch {
    return logical; // no /proc: a container may hide it
  }
}

/** Different cores in the text of Linux' /proc/cpuinfo; undefined where it does not tell (on ARM, for one). */
export function coresIn(cpuInfo: string): number | undefined {
  const ids = cpuInfo.split("\n\n").flatMap((block) => {
    const value = (key: string): string | undefined => new RegExp(`^${key}\\s*: (\\d+)$`, "m").exec(block)?.[1];
    const core = value("core id");
    return core === undefined ? [] : [`${value("physical id") ?? "0"}/${core}`];
  });
  return ids.length === 0 ? undefined : new Set(ids).size;
}
