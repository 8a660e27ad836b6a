import type { ChildProcess } from "node:child_process";

/** How long a process may take to leave by itself, ms. */
const LEAVE_MS = 2_000;
/** How long one that was killed may take to be gone, ms. One that waits in a driver may never be. */
const STUCK_MS = 10_000;

type Ending = Pick<ChildProcess, "exitCode" | "signalCode" | "pid" | "connected" | "disconnect" | "kill"> & {
  once(event: "exit", listener: () => void): unknown;
};

/**
 * Lets a process leave by itself, and kills it when it takes too long. Resolves when it is gone, or when it cannot be made
 * to go; never rejects.
 */
export async function endProcess(child: Ending, leaveMs = LEAVE_MS, stuckMs = STUCK_MS): Promise<void> {
  if (hasEnded(child)) return;
  if (child.connected) child.disconnect();
  if (!(await isGoneWithin(child, leaveMs))) await killProcess(child, stuckMs);
}

/** Kills a process. Resolves like `endProcess`. */
export async function killProcess(child: Ending, stuckMs = STUCK_MS): Promise<void> {
  if (hasEnded(child)) return;
  child.kill("SIGKILL");
  await isGoneWithin(child, stuckMs);
}

function hasEnded({ exitCode, signalCode, pid }: Ending): boolean {
  return exitCode !== null || signalCode !== null || pid === undefined;
}

/** Waits for "exit" alone: a process says "error" too, of a signal or a message that could not be sent, and lives on. */
function isGoneWithin(child: Ending, ms: number): Promise<boolean> {
  if (hasEnded(child)) return Promise.resolve(true);
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ms);
    child.once("exit", () => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}
