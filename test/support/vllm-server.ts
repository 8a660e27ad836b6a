/** A real vLLM on the processor, kept under `.cache/` between runs. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "./llama-server.ts";
import { answersAt, type StartedServer, startServerProgram } from "./python-server.ts";

const FOLDER = fileURLToPath(new URL("../../.cache/vllm", import.meta.url));
const REQUIREMENTS = fileURLToPath(new URL("../clients/vllm/requirements.txt", import.meta.url));
const CONVERT = fileURLToPath(new URL("../clients/vllm/convert.py", import.meta.url));
const INSTALL_TIMEOUT_MS = 540_000;
/** It takes 90 s on one core. */
const START_TIMEOUT_MS = 240_000;

export interface VllmServerOptions {
  /** As `vllmPython` returns it. */
  readonly python: string;
  /** Folder of the weights (`convertForVllm`). */
  readonly weights: string;
  readonly contextTokens: number;
  /** In place of the one of the weights. */
  readonly chatTemplate?: string;
  /** Default: a free one. */
  readonly port?: number;
  /** Answers at the same time. Default: 4. */
  readonly slots?: number;
}

export type VllmServer = StartedServer;

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
  const { python, weights, contextTokens, chatTemplate, slots = 4 } = options;
  const port = options.port ?? (await freePort());
  return startServerProgram({
    ...{ name: "vLLM", program: python, url: `http://127.0.0.1:${port}`, isReady: answersAt("/health") },
    args: [
      ...["-m", "vllm.entrypoints.openai.api_server", "--model", weights, "--served-model-name", "weights"],
      ...["--dtype", "float32", "--max-model-len", String(contextTokens), "--max-num-seqs", String(slots)],
      ...["--enforce-eager", "--host", "127.0.0.1", "--port", String(port), "--enable-log-requests"],
      ...(chatTemplate === undefined ? [] : ["--chat-template", chatTemplate]),
    ],
    env: { VLLM_CPU_KVCACHE_SPACE: "1", OMP_NUM_THREADS: "1", HF_HUB_OFFLINE: "1", VLLM_NO_USAGE_STATS: "1" },
    startTimeoutMs: START_TIMEOUT_MS,
  });
}
