/** What Linux says about running processes (proc(5)): memory and processor time. */
import { readdirSync, readFileSync } from "node:fs";

/** The process and all its descendants, itself first. */
export function familyOf(pid: number): readonly number[] {
  const parents = readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map((entry) => ({ pid: Number(entry), parent: statusField(Number(entry), "PPid") }));
  const family = [pid];
  for (const known of family)
    family.push(...parents.filter(({ parent }) => parent === known).map((child) => child.pid));
  return family;
}

/** Sum over the processes; one that has ended counts nothing. */
export function residentBytes(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + (statusField(pid, "VmRSS") ?? 0) * 1024, 0);
}

/**
 * Processor time that the threads of the processes have used so far, milliseconds. Exact, where `/proc/PID/stat` counts
 * ticks of 10 ms; threads that have ended count nothing.
 */
export function processorMs(pids: readonly number[]): number {
  const threads = pids.flatMap((pid) => list(`/proc/${pid}/task`).map((thread) => `/proc/${pid}/task/${thread}`));
  return threads.reduce((sum, thread) => sum + Number(read(`${thread}/schedstat`)?.split(" ")[0] ?? 0) / 1e6, 0);
}

/** The part of it that their main threads used, which in Node run the JavaScript. */
export function mainThreadMs(pids: readonly number[]): number {
  return pids.reduce(
    (sum, pid) => sum + Number(read(`/proc/${pid}/task/${pid}/schedstat`)?.split(" ")[0] ?? 0) / 1e6,
    0,
  );
}

/** `processorMs` in ticks of 10 ms, with the threads that have ended. */
export function processorTicksMs(pids: readonly number[]): number {
  const ticks = pids.map((pid) => {
    // The name of the program, in brackets, may have blanks in it.
    const fields = read(`/proc/${pid}/stat`)?.split(") ").at(-1)?.split(" ") ?? [];
    return Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  });
  return 10 * ticks.reduce((sum, each) => sum + each, 0);
}

function statusField(pid: number, name: string): number | undefined {
  const text = new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(read(`/proc/${pid}/status`) ?? "")?.[1];
  return text === undefined ? undefined : Number(text);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // it ended meanwhile
  }
}

function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // the same
  }
}
