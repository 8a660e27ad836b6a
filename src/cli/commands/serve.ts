import type { Command } from "commander";
import type { Config } from "../../config/config.ts";
import { loadConfig } from "../../config/load.ts";
import type { Flags } from "../../config/settings.ts";
import type { RunningServer } from "../../server.ts";
import { banner } from "../banner.ts";
import { CommandFailure, EXIT } from "../failure.ts";
import { listenForStop, type StopReason, type StopSignals } from "../stop-signals.ts";
import { say } from "../terminal.ts";

const EXAMPLES = `
Flags come before environment variables, these before the configuration file:
  CONTINUO_PORT, CONTINUO_HOST, CONTINUO_CONFIG, CONTINUO_DATA_DIR,
  CONTINUO_MODEL (several separated as in PATH), CONTINUO_MEMORY_BUDGET,
  CONTINUO_KEEP_ALIVE, CONTINUO_ENGINE, CONTINUO_DATABASE, CONTINUO_API_KEY, and
  CONTINUO_ADMIN_KEY.
A key has no flag, because every user of the machine can read the flags of a process. "continuo keys" creates more.
When no model is named anywhere, all pulled models are served.

Examples:
  $ continuo serve --model qwen2.5-coder-1.5b-instruct-q8_0.gguf
  $ continuo pull qwen2.5-coder-1.5b-instruct && continuo serve
  $ continuo serve --model coder=a.gguf --model chat=b.gguf --port 9000
  $ continuo serve --config continuo.yaml
  $ CONTINUO_API_KEY=sk-change-me continuo serve --host 0.0.0.0 --model a.gguf

Ctrl-C lets running requests finish (limits.drain_grace_ms); a second one stops at once.`;

/** Adds `continuo serve` to the program. */
export function addServeCommand(program: Command): void {
  program
    .command("serve")
    .summary("answer requests over HTTP")
    .description("Serves text continuation over the DashScope and OpenAI wire formats.")
    .option(
      "--model <file>",
      "GGUF file or pulled model, or NAME= and one of them; may be given several times",
      (file, all: string[] = []) => [...all, file],
    )
    .option("--config <file>", "YAML configuration")
    .option("--host <address>", "address to listen on (default: 127.0.0.1)")
    .option("--port <n>", "port to listen on, 0 for a free one (default: 8100)")
    .option("--data-dir <dir>", "where Continuo keeps what it stores")
    .option("--strict", "no stand-ins: names without a mapping answer 503")
    .option("--deterministic", "same seed and request, same text; slower")
    .option("--slots <n>", "requests that run at the same time, for every model")
    .option("--context <n>", "tokens one slot holds, for every model")
    .option("--threads <n>", "most processor threads, for every model")
    .option("--load <when>", "start, or first_use (default: start, as far as the memory goes)")
    .option("--keep-alive <time>", "idle time after which a model is unloaded, such as 10m (default: never)")
    .option("--memory-budget <size>", "for all loaded models, such as 12GiB or 50% (default: 80% of what is free)")
    .option("--engine <kind>", "auto, cpu, cuda or vulkan (default: auto; see continuo engine)")
    .option("--gpu-layers <n>", "layers of each model that go to the GPU (default: all)")
    .option("--log-level <level>", "trace, debug, info, warn, error, fatal or silent (default: info)")
    .addHelpText("after", EXAMPLES)
    .action(serve);
}

async function serve(flags: Flags): Promise<void> {
  const config = loadConfig(flags);
  const signals = listenForStop();
  try {
    const server = await listen(config);
    try {
      const stopped = await runUntilStopped(server, config, signals);
      if (!stopped) process.exitCode = EXIT.interrupted;
    } finally {
      await server.close();
    }
  } finally {
    signals.release();
  }
}

async function listen(config: Config): Promise<RunningServer> {
  try {
    // Loaded only now, so that --help is quick.
    const { createServer } = await import("../../server.ts");
    return await createServer(config);
  } catch (error) {
    throw explained(error, config);
  }
}

/** False: running requests were not waited for. */
async function runUntilStopped(server: RunningServer, config: Config, signals: StopSignals): Promise<boolean> {
  const early = await watchLoading(server, Promise.race([server.ready(), signals.first]));
  if (early === undefined) {
    const models = server.models();
    if (models.length > 0 && models.every(({ health }) => health.state === "failed")) {
      throw new CommandFailure(models.map(({ health }) => health.detail).join("\n"));
    }
    for (const line of banner(config, server)) say(line);
  }
  return drain(server, config, await signals.first, signals);
}

/** Milliseconds between two looks at how far loading is. */
const LOOK_EVERY_MS = 200;

/** Waits for `event`; meanwhile a terminal shows, on one line, what is being loaded. Elsewhere the log has to do. */
async function watchLoading<T>(server: RunningServer, event: Promise<T>): Promise<T> {
  if (process.stderr.isTTY !== true) return event;
  const clear = "\r\u001b[K";
  const timer = setInterval(() => {
    const loading = server.models().filter(({ health }) => health.state === "loading");
    const line = loading.map(({ name, health }) => `${name}: ${health.detail}`).join("; ");
    process.stderr.write(`${clear}${line.slice(0, (process.stderr.columns ?? 80) - 1)}`);
  }, LOOK_EVERY_MS);
  try {
    return await event;
  } finally {
    clearInterval(timer);
    process.stderr.write(clear);
  }
}

async function drain(
  server: RunningServer,
  { limits }: Config,
  reason: StopReason,
  signals: StopSignals,
): Promise<boolean> {
  const seconds = Math.ceil(limits.drainGraceMs / 1000);
  const again = reason === "SIGINT" ? "; Ctrl-C again stops at once" : "";
  say(`\nStopping (${reason}): running requests may finish within ${seconds} s${again}.`);
  const hurried = await Promise.race([server.drain(limits.drainGraceMs), signals.second]);
  if (hurried !== undefined) say("Stopping at once.");
  return hurried === undefined;
}

const LISTEN_ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program listens there already; stop it, or choose another port with --port",
  EACCES: "this user may not use that port; choose one from 1024 up with --port",
  EADDRNOTAVAIL: "this machine does not have that address; choose another with --host",
  ENOTFOUND: "there is no such host; choose another with --host",
};

function explained(error: unknown, { host, port }: Config): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const advice = LISTEN_ADVICE[code];
  return advice === undefined ? error : new CommandFailure(`cannot listen on ${host}:${port}: ${advice}`);
}
