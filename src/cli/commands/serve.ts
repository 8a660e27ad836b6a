import { setTimeout as delay } from "node:timers/promises";
import type { Command } from "commander";
import type { Config } from "../../config/config.ts";
import { loadConfig } from "../../config/load.ts";
import type { Flags } from "../../config/settings.ts";
import { isSocketPath } from "../../config/socket-path.ts";
import { ListenFailure } from "../../listen.ts";
import type { RunningModel, RunningServer } from "../../server.ts";
import { banner } from "../banner.ts";
import { CommandFailure, EXIT } from "../failure.ts";
import { whileShowing } from "../status-line.ts";
import { listenForStop, type StopReason, type StopSignals } from "../stop-signals.ts";
import { say } from "../terminal.ts";

const EXAMPLES = `
Flags override environment variables, which override the configuration file. Variables:
  CONTINUO_PORT, CONTINUO_HOST, CONTINUO_SOCKET_MODE, CONTINUO_CONFIG, CONTINUO_DATA_DIR,
  CONTINUO_ALLOWED_HOSTS and CONTINUO_CORS_ORIGINS (several separated by commas),
  CONTINUO_MODEL (several separated as in PATH), CONTINUO_MEMORY_BUDGET,
  CONTINUO_KEEP_ALIVE, CONTINUO_ENGINE, CONTINUO_DATABASE, CONTINUO_API_KEY, and
  CONTINUO_ADMIN_KEY.
Keys have no flag, because every user of the machine can read the arguments of a process. "continuo keys" creates more.
If no model is named, all pulled models and the one in the package are served.

Examples:
  $ continuo serve --model qwen2.5-coder-1.5b-instruct-q8_0.gguf
  $ continuo pull qwen2.5-coder-1.5b-instruct && continuo serve
  $ continuo serve --model coder=a.gguf --model chat=b.gguf --port 9000
  $ continuo serve --config continuo.yaml
  $ CONTINUO_API_KEY=sk-change-me continuo serve --host 0.0.0.0 --model a.gguf
  $ continuo serve --engine llama-server=http://127.0.0.1:8080
  $ continuo serve --host /run/user/1000/continuo.sock --model a.gguf

Ctrl-C lets running requests finish (limits.drain_grace_ms); a second one stops at once.`;

/** Adds `continuo serve` to the program. */
export function addServeCommand(program: Command): void {
  program
    .command("serve")
    .summary("start the HTTP server")
    .description("Serves text continuation over the DashScope and OpenAI wire formats.")
    .option(
      "--model <file>",
      "GGUF file or pulled model, or NAME= and one of them; may be given several times",
      several,
    )
    .option("--config <file>", "YAML configuration")
    .option("--host <address>", "address to listen on, or the path of a Unix socket (default: 127.0.0.1)")
    .option("--port <n>", "port to listen on, 0 for a free one (default: 8100)")
    .option("--socket-mode <mode>", "permissions of the Unix socket (default: 0600)")
    .option("--allowed-host <name>", "host name to accept without keys, of a proxy or tunnel; repeatable", several)
    .option(
      "--cors-origin <origin>",
      "origin whose web pages may call, such as https://example.org; repeatable",
      several,
    )
    .option("--data-dir <dir>", "directory for the database and pulled models")
    .option("--strict", "no stand-ins: names without a mapping get 503")
    .option("--deterministic", "same request and seed, same text, whatever else runs; slower")
    .option("--slots <n>", "requests processed at the same time, for all models")
    .option("--context <n>", "context of one slot in tokens, for all models")
    .option("--threads <n>", "maximum number of CPU threads, for all models")
    .option("--load <when>", "start or first_use (default: start, as far as the memory budget allows)")
    .option("--keep-alive <time>", "unload models that were idle this long, such as 10m (default: never)")
    .option(
      "--memory-budget <size>",
      "memory for all loaded models, such as 12GiB or 50% (default: 80% of free memory)",
    )
    .option(
      "--engine <kind>",
      "auto, cpu, cuda or vulkan (default: auto), or KIND=URL of an engine elsewhere; repeatable",
      several,
    )
    .option("--gpu-layers <n>", "layers of each model on the GPU (default: all)")
    .option("--log-level <level>", "trace, debug, info, warn, error, fatal or silent (default: info)")
    .addHelpText("after", EXAMPLES)
    .action(serve);
}

function several(value: string, all: string[] = []): string[] {
  return [...all, value];
}

async function serve(flags: Flags): Promise<void> {
  // First of all: as process 1 of a container a program that listens to no signal cannot be stopped.
  const signals = listenForStop();
  try {
    const config = loadConfig(flags);
    const server = await listenUnlessStopped(config, signals);
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

/** Milliseconds that a start which is no longer wanted has to come to an end. */
const START_GRACE_MS = 2_000;

/** Ends the process where it is told to stop before the server listens. */
async function listenUnlessStopped(config: Config, signals: StopSignals): Promise<RunningServer> {
  const starting = listen(config);
  const reason = await Promise.race([starting.then(() => undefined), signals.first]);
  if (reason === undefined) return starting;
  say(`\nStopping (${reason}): the server was still starting.`);
  const closed = starting.then(
    (server) => server.close(),
    () => undefined, // whatever kept it from starting, it was not to start any more
  );
  // A database, a disk or a driver that does not answer is not waited for.
  await Promise.race([closed, signals.second, delay(START_GRACE_MS)]);
  process.exit(EXIT.ok);
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
  const early = await whileShowing(
    () => loadingText(server),
    () => Promise.race([server.ready(), signals.first]),
  );
  if (early === undefined) {
    const models = server.models();
    // An engine elsewhere may come up at any time.
    const hasFailed = ({ health, elsewhere }: RunningModel): boolean =>
      health.state === "failed" && elsewhere === undefined;
    if (models.length > 0 && models.every(hasFailed)) {
      throw new CommandFailure(models.map(({ health }) => health.detail).join("\n"));
    }
    for (const line of banner(config, server)) say(line);
  }
  return drain(server, config, await signals.first, signals);
}

/** What is being loaded, and how far it is. */
function loadingText(server: RunningServer): string {
  const loading = server.models().filter(({ health }) => health.state === "loading");
  return loading.map(({ name, health }) => `${name}: ${health.detail}`).join("; ");
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

const SOCKET_ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: "another server listens there; stop it, or choose another path with --host",
  ENOTSOCK: "there is a file that is no socket; remove it, or choose another path with --host",
  ENOENT: "its folder does not exist or takes no files; create it, or choose another path with --host",
  ENOTDIR: "what should be its folder is a file; choose another path with --host",
  EACCES: "this user may not create or open a socket there; choose another path with --host",
  EPERM: "this user may not create or open a socket there; choose another path with --host",
  EROFS: "that folder cannot be written to; choose another path with --host",
  EINVAL: "the system takes no such path; choose a shorter one with --host",
};

function explained(error: unknown, { host }: Config): unknown {
  if (!(error instanceof ListenFailure)) return error;
  const advice = (isSocketPath(host) ? SOCKET_ADVICE : LISTEN_ADVICE)[error.code];
  return new CommandFailure(advice === undefined ? error.message : `cannot listen on ${error.where}: ${advice}`);
}
