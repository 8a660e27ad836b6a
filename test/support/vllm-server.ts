/** A real vLLM on the processor, kept under `.cache/` between runs. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "./llama-server.ts";

const FOLDER = fileURLToPath(new URL("../../.cache/vllm", import.meta.url));
const REQUIREMENTS = fileURLToPath(new URL("../clients/vllm/requirements.txt", import.meta.url));
const CONVERT = fileURLToPath(new URL("../clients/vllm/convert.py", import.meta.url));
const INSTALL_TIMEOUT_MS = 540_000;
/** It takes 90 s on one core. */
const START_TIMEOUT_MS = 240_000;
const STOP_TIMEOUT_MS = 20_000;
const POLL_MS = 100;

export interface VllmServerOptions {
  /** As `vllmPython` returns it. */
  readonly python: string;
  /** Folder of the weights (`convertForVllm`). */
  readonly weights: string;
  readonly contextTokens: number;
  /** Default: a free one. */
  readonly port?: number;
  /** Answers at the same time. Default: 4. */
  readonly slots?: number;
}

export interface VllmServer {
  readonly url: string;
  readonly pid: number;
  /** Milliseconds from the start of the process until it answered `/health` with 200. */
  readonly readyMs: number;
  /** Everything it has written so far. */
  log(): string;
  stop(): Promise<void>;
}

/**
 * The interpreter that finds vLLM; a second call takes no time. The list names every package, as the one that vLLM asks
 * for, `torch` without CUDA, is not in the package index; the ordinary build works in its place. Throws when pip fails.
 */
export function vllmPython(): string {
  const python = join(FOLDER, "bin", "python");
  const wanted = readFileSync(REQUIREMENTS, "utf8");
  const mark = join(FOLDER, "installed.txt");
  if (existsSync(mark) && readFileSync(mark, "utf8") === wanted) return python;
  execFileSync("python3", ["-m", "venv", FOLDER]);
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", REQUIREMENTS];
  execFileSync(python, pip, { stdio: ["ignore", "ignore", "inherit"], timeout: INSTALL_TIMEOUT_MS });
  writeFileSync(mark, wanted);
  return python;
}

/** Writes the weights of a GGUF file as vLLM loads them. */
export function convertForVllm(python: string, file: string, folder: string): void {
  execFileSync(python, [CONVERT, file, folder], { stdio: ["ignore", "ignore", "inherit"] });
}

export async function startVllm(options: VllmServerOptions): Promise<VllmServer> {
  const { python, weights, contextTokens, slots = 4 } = options;
  const port = options.port ?? (await freePort());
  const startedMs = performance.now();
  const child = spawn(
    python,
    [
      ...["-m", "vllm.entrypoints.openai.api_server", "--model", weights, "--served-model-name", "weights"],
      ...["--dtype", "float32", "--max-model-len", String(contextTokens), "--max-num-seqs", String(slots)],
      ...["--enforce-eager", "--host", "127.0.0.1", "--port", String(port), "--enable-log-requests"],
    ],
    {
      env: {
        ...process.env,
        ...{ VLLM_CPU_KVCACHE_SPACE: "1", OMP_NUM_THREADS: "1", HF_HUB_OFFLINE: "1", VLLM_NO_USAGE_STATS: "1" },
      },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let output = "";
  for (const pipe of [child.stdout, child.stderr]) {
    pipe.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const stop = (): Promise<void> => ended(child);
  const url = `http://127.0.0.1:${port}`;
  while (!(await isHealthy(url))) {
    if (child.exitCode !== null || performance.now() - startedMs > START_TIMEOUT_MS) {
      await stop();
      throw new Error(`vLLM did not come up:\n${output.slice(-4096)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return { url, pid: child.pid ?? 0, readyMs: performance.now() - startedMs, log: () => output, stop };
}

/** Asked first, as a killed one leaves its engine process behind. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
  });
  child.kill("SIGTERM");
  const killer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  await exit;
  clearTimeout(killer);
}

async function isHealthy(url: string): Promise<boolean> {
  const response = await fetch(`${url}/health`).catch(() => undefined);
  await response?.body?.cancel();
  return response?.status === 200;
}
