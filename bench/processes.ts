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

/** Processor time used so far, user and system, in ticks of 10 ms; an ended process counts nothing. */
export function processorTicks(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    // The name in brackets may hold blanks; the fields are counted from behind it: utime is the 12th, stime the 13th.
    const fields = read(`/proc/${pid}/stat`)
      ?.replace(/^.*\) /s, "")
      .split(" ");
    return sum + Number(fields?.[11] ?? 0) + Number(fields?.[12] ?? 0);
  }, 0);
}

/** Milliseconds of a tick (`USER_HZ` is 100 on every architecture that Node runs on). */
export const TICK_MS = 10;

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
