/** The gateways that are compared, each a process of its own in front of the same scripted engine. */
import { type ChildProcess, execFileSync, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { VERSION } from "../src/version.ts";
import { temporaryFolder } from "../test/support/files.ts";
import { freePort } from "../test/support/llama-server.ts";
import { startServer } from "../test/support/server.ts";
import type { Way } from "./gateway-client.ts";
import { pause } from "./measures.ts";
import { familyOf } from "./processes.ts";

const PORTKEY_VERSION = "1.15.2";
/** With the newest, which npm would give it, it cannot stream (Portkey-AI/gateway#1389). */
const PORTKEY_PACKAGES = {
  dependencies: { "@portkey-ai/gateway": PORTKEY_VERSION },
  overrides: { "@hono/node-server": "1.13.8" },
};
const LITELLM_VERSION = "1.108.7";

const CACHE = fileURLToPath(new URL("../.cache/gateway", import.meta.url));
const UPSTREAM = fileURLToPath(new URL("./gateway-upstream.ts", import.meta.url));
const START_TIMEOUT_MS = 120_000;
const POLL_MS = 100;

export interface Gateway extends Way {
  readonly name: string;
  /** The process and its children. Empty for the engine itself. */
  pids(): readonly number[];
  stop(): Promise<void>;
}

/** The scripted engine, as a gateway that costs nothing. */
export async function startUpstream(): Promise<Gateway> {
  const child = fork(UPSTREAM, { execArgv: ["--import", "tsx"] });
  const [port] = (await once(child, "message")) as [number];
  return {
    name: "direct",
    url: `http://127.0.0.1:${port}`,
    headers: {},
    modelFor: (_route, pace) => pace,
    pids: () => [],
    stop: () => ended(child),
  };
}

/** With its own defaults, so with its database in a file; only the log says less. */
export async function startContinuo(upstream: Way): Promise<Gateway> {
  const folder = temporaryFolder();
  const config = join(folder.path, "continuo.json");
  const engines = { script: { kind: "openai", url: `${upstream.url}/v1` } };
  const models = { fast: { engine: "script", model: "fast" }, paced: { engine: "script", model: "paced" } };
  writeFileSync(config, JSON.stringify({ engines, models }));
  const server = await startServer({
    args: ["--config", config, "--data-dir", folder.path, "--log-level", "warn"],
    env: { CONTINUO_DATABASE: "" },
  });
  while (!(await answers(`${server.url}/ready`))) await pause(POLL_MS);
  return {
    name: `Continuo ${VERSION}`,
    url: server.url,
    headers: {},
    modelFor: (_route, pace) => pace,
    pids: () => familyOf(server.pid),
    stop: async () => {
      await server.stop();
      folder.remove();
    },
  };
}

/** Without its console, and with it without its log of requests. */
export async function startPortkey(upstream: Way): Promise<Gateway> {
  const folder = join(CACHE, `portkey-${PORTKEY_VERSION}`);
  const program = join(folder, "node_modules/@portkey-ai/gateway/build/start-server.js");
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, ...PORTKEY_PACKAGES }));
    const install = ["install", "--no-audit", "--no-fund", "--ignore-scripts"];
    execFileSync("npm", install, { cwd: folder, stdio: "inherit" });
  }
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = await started(url, process.execPath, [program, `--port=${port}`, "--headless"]);
  return {
    name: `Portkey ${PORTKEY_VERSION}`,
    url,
    headers: {
      authorization: "Bearer none",
      "x-portkey-provider": "openai",
      "x-portkey-custom-host": `${upstream.url}/v1`,
    },
    modelFor: (_route, pace) => pace,
    pids: () => familyOf(child.pid ?? 0),
    stop: () => ended(child),
  };
}

/** One worker, without keys, a database or callbacks. */
export async function startLiteLlm(upstream: Way): Promise<Gateway> {
  const folder = join(CACHE, `litellm-${LITELLM_VERSION}`);
  const program = join(folder, "bin/litellm");
  if (!existsSync(program)) {
    execFileSync("python3", ["-m", "venv", folder]);
    const install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    execFileSync(join(folder, "bin/python"), [...install, `litellm[proxy]==${LITELLM_VERSION}`], { stdio: "inherit" });
  }
  const configuration = temporaryFolder();
  const config = join(configuration.path, "config.yaml");
  const model = (name: string, provider: string, pace: string) => ({
    model_name: name,
    litellm_params: { model: `${provider}/${pace}`, api_base: `${upstream.url}/v1`, api_key: "none" },
  });
  const models = ["fast", "paced"].flatMap((pace) => [
    model(`${pace}-chat`, "openai", pace),
    model(`${pace}-completions`, "text-completion-openai", pace),
  ]);
  writeFileSync(config, JSON.stringify({ model_list: models }));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const args = ["--config", config, "--host", "127.0.0.1", "--port", String(port), "--num_workers", "1"];
  const child = await started(`${url}/health/liveliness`, program, args, {
    LITELLM_LOG: "ERROR",
    LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY: "true",
    LITELLM_LOCAL_MODEL_COST_MAP: "True",
  });
  return {
    name: `LiteLLM ${LITELLM_VERSION}`,
    url,
    headers: { authorization: "Bearer none" },
    modelFor: (route, pace) => `${pace}-${route}`,
    pids: () => familyOf(child.pid ?? 0),
    stop: async () => {
      await ended(child);
      configuration.remove();
    },
  };
}

/** Resolves when it answers at `url`; ends it when it does not within the time. */
async function started(
  url: string,
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ChildProcess> {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const pipe of [child.stdout, child.stderr]) {
    pipe.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-4096);
    });
  }
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  while (!(await answers(url))) {
    if (child.exitCode === null && performance.now() < deadlineMs) await pause(POLL_MS);
    else {
      await ended(child);
      throw new Error(`${program} did not come up:\n${output}`);
    }
  }
  return child;
}

async function answers(url: string): Promise<boolean> {
  const response = await fetch(url).catch(() => undefined);
  await response?.body?.cancel();
  return response?.ok === true;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
}
