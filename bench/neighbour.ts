/** A program beside the servers that keeps one core busy, as a compiler or an editor's language server does. */
import { spawn } from "node:child_process";
import { once } from "node:events";

/** Runs `work` while it is busy. */
export async function besideBusyProgram<T>(work: () => Promise<T>): Promise<T> {
  const child = spawn(process.execPath, ["-e", 'process.stdout.write("busy"); for (;;);'], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const ended = once(child, "exit");
  try {
    await once(child.stdout, "data");
    return await work();
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
}
