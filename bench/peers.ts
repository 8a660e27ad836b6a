/** The servers that are compared: ours and a stock llama-server, on the same file, threads and context. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "../test/support/files.ts";
import { startLlamaServer } from "../test/support/llama-server.ts";
import { startServer } from "../test/support/server.ts";
import { familyOf, residentBytes } from "./processes.ts";
import { CONTINUO, type Dialect, LLAMA_SERVER, SUFFIX_FIRST_MODEL } from "./stream.ts";

export interface Peer {
  readonly side: "ours" | "theirs";
  /** What differs from another peer of the same side. */
  readonly variant?: string;
  readonly url: string;
  /** The process that was started; an engine is a child of it. */
  readonly pid: number;
  readonly dialect: Dialect;
  /** From starting the process to the first "ready", milliseconds. */
  readonly loadMs: number;
  /** Resident memory of the process and its children, bytes. */
  residentBytes(): number;
  stop(): Promise<void>;
}

export interface Load {
  readonly model: string;
  readonly threads: number;
  readonly slots: number;
  /** Per slot. */
  readonly contextTokens: number;
}

/** @param orders `both` serves the file a second time, with the suffix first. */
export async function startContinuo(load: Load, orders: "psm" | "both" = "psm"): Promise<Peer> {
  const { model, threads, slots, contextTokens } = load;
  const folder = temporaryFolder();
  const config = join(folder.path, "continuo.json");
  writeFileSync(config, JSON.stringify(orders === "both" ? BOTH_ORDERS : {}));
  const names = orders === "both" ? ["bench", SUFFIX_FIRST_MODEL] : ["bench"];
  const started = performance.now();
  const server = await startServer({
    models: names.map((name) => `${name}=${model}`),
    args: [
      ...["--config", config, "--data-dir", folder.path, "--log-level", "warn"],
      ...[`--threads=${threads}`, `--slots=${slots}`, `--context=${contextTokens}`],
    ],
  });
  return {
    side: "ours",
    url: server.url,
    pid: server.pid,
    dialect: CONTINUO,
    loadMs: performance.now() - started,
    residentBytes: () => residentBytes(familyOf(server.pid)),
    stop: async () => {
      await server.stop();
      folder.remove();
    },
  };
}

const QWEN_MARKERS = { prefix: "<|fim_prefix|>", suffix: "<|fim_suffix|>", middle: "<|fim_middle|>" };

const BOTH_ORDERS = {
  fim_layouts: { "suffix-first": { ...QWEN_MARKERS, order: "spm" } },
  models: { bench: { fim: "qwen" }, [SUFFIX_FIRST_MODEL]: { fim: "suffix-first" } },
};

/**
 * @param program a llama-server of the same llama.cpp version, built for this machine.
 * @param args further arguments.
 */
export async function startPeer(program: string, load: Load, args: readonly string[] = []): Promise<Peer> {
  const { model, threads, slots, contextTokens } = load;
  const options = ["-t", threads, "-np", slots, "-c", slots * contextTokens, "--kv-unified", ...args];
  const server = await startLlamaServer({ program, model, args: options.map(String) });
  return {
    side: "theirs",
    url: server.url,
    pid: server.pid,
    dialect: LLAMA_SERVER,
    loadMs: server.readyMs,
    residentBytes: () => residentBytes(familyOf(server.pid)),
    stop: () => server.stop(),
  };
}
