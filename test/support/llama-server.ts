/** A stock llama-server on a free port, to compare with. */
import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { dirname } from "node:path";

export interface LlamaServerOptions {
  /** Path of the program. */
  readonly program: string;
  /** Folder of its shared libraries. Default: the program's own. */
  readonly libraries?: string;
  readonly model: string;
  /** Default: a free one. */
  readonly port?: number;
  /** Further arguments. */
  readonly args?: readonly string[];
}

export interface LlamaServer {
  readonly url: string;
  readonly pid: number;
  /** Milliseconds from the start of the process until it answered `/health` with 200. */
  readonly readyMs: number;
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 120_000;
const POLL_MS = 5;

export async function startLlamaServer(options: LlamaServerOptions): Promise<LlamaServer> {
  const port = options.port ?? (await freePort());
  const libraries = options.libraries ?? dirname(options.program);
  const args = ["--model", options.model, "--host", "127.0.0.1", "--port", String(port), ...(options.args ?? [])];
  const startedMs = performance.now();
  const child = spawn(options.program, args, {
    env: { ...process.env, LD_LIBRARY_PATH: libraries },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let output = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    output = (output + text).slice(-4096);
  });
  const exit = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("exit", () => resolve());
  });
  const url = `http://127.0.0.1:${port}`;
  while (!(await isHealthy(url))) {
    if (hasEnded(child) || performance.now() - startedMs > START_TIMEOUT_MS) {
      child.kill("SIGKILL");
      throw new Error(`${options.program} did not come up:\n${output}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const readyMs = performance.now() - startedMs;
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await exit;
  };
  return { url, pid: child.pid ?? 0, readyMs, stop };
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

async function isHealthy(url: string): Promise<boolean> {
  const response = await fetch(`${url}/health`).catch(() => undefined);
  await response?.body?.cancel();
  return response?.status === 200;
}

/** For a program that takes no port 0; nobody else takes this one in the meantime, as the system hands them out in turn. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}
