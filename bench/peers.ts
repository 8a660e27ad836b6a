/** The servers that are compared: ours and a stock llama-server, on the same file, threads and context. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { startServer } from "../test/support/server.ts";
import { CONTINUO, type Dialect, LLAMA_SERVER } from "./stream.ts";

export interface Peer {
  readonly name: "continuo" | "llama-server";
  readonly url: string;
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

export async function startContinuo({ model, threads, slots, contextTokens }: Load): Promise<Peer> {
  const started = performance.now();
  const server = await startServer({
    models: [`bench=${model}`],
    args: [`--threads=${threads}`, `--slots=${slots}`, `--context=${contextTokens}`, "--log-level=warn"],
  });
  return {
    name: "continuo",
    url: server.url,
    dialect: CONTINUO,
    loadMs: performance.now() - started,
    residentBytes: () => resident(server.pid),
    stop: async () => void (await server.stop()),
  };
}

/** @param binary of a llama-server of the same llama.cpp version, built for this machine. */
export async function startLlamaServer(binary: string, { model, threads, slots, contextTokens }: Load): Promise<Peer> {
  const port = await freePort();
  const started = performance.now();
  const options = { "--port": port, "-t": threads, "-np": slots, "-c": slots * contextTokens, "--kv-unified": "" };
  const args = Object.entries(options).flatMap(([name, value]) => (value === "" ? [name] : [name, String(value)]));
  const child = spawn(binary, ["-m", model, "--host", "127.0.0.1", ...args], { stdio: "ignore" });
  const url = `http://127.0.0.1:${port}`;
  while ((await fetch(`${url}/health`).catch(() => undefined))?.status !== 200) {
    if (child.exitCode !== null) throw new Error(`${binary} ended with ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return {
    name: "llama-server",
    url,
    dialect: LLAMA_SERVER,
    loadMs: performance.now() - started,
    residentBytes: () => resident(child.pid ?? 0),
    stop: async () => {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** Linux only: the sum over a process and those it started. */
function resident(pid: number): number {
  const processes = readdirSync("/proc").flatMap((entry) => (/^\d+$/.test(entry) ? statusOf(Number(entry)) : []));
  const family = new Set([pid]);
  for (const each of processes) if (family.has(each.parent)) family.add(each.pid);
  return processes.reduce((sum, each) => sum + (family.has(each.pid) ? each.residentBytes : 0), 0);
}

function statusOf(pid: number): { pid: number; parent: number; residentBytes: number }[] {
  try {
    const text = readFileSync(`/proc/${pid}/status`, "utf8");
    const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);
    return [{ pid, parent: field("PPid"), residentBytes: field("VmRSS") * 1024 }];
  } catch {
    return []; // it ended meanwhile
  }
}
