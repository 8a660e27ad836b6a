/**
 * The real server as its users run it: a child process of the built program, on a free port, with a real engine.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** What `npm run build` makes; the package's `bin`. */
const PROGRAM = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** Milliseconds for a server to load its models; minutes pass only on a machine that is busy with something else. */
const START_TIMEOUT_MS = 120_000;
/** Milliseconds between two looks at a server that is starting. */
const POLL_MS = 25;
/** Milliseconds from the stop signal until the process is killed. */
const STOP_TIMEOUT_MS = 20_000;

export interface ServerOptions {
  /**
   * `FILE` or `NAME=FILE`, the first one is who answers for names without a mapping. Default: none, so that the one in
   * the package serves.
   */
  readonly models?: readonly string[];
  /** Further arguments of `continuo serve`. */
  readonly args?: readonly string[];
  /** Added to the environment, from which every `CONTINUO_…` and `npm_…` variable is removed first. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface RunningServer {
  /** `http://127.0.0.1:PORT`, or `unix:PATH` where `--host` is one */
  readonly url: string;
  /** Process id of the server; its engines are its children. */
  readonly pid: number;
  /** Everything the server has written so far. */
  log(): string;
  /** Ends the server, gently first. Resolves with its exit code, null when a signal ended it. */
  stop(): Promise<number | null>;
}

/** Resolves when the server is ready to answer; without models when it is up. Rejects with its output otherwise. */
export async function startServer(options: ServerOptions = {}): Promise<RunningServer> {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: run \`npm run build\` first`);
  const models = (options.models ?? []).flatMap((model) => ["--model", model]);
  // One thread: a tiny model gains nothing from a second, and on a busy machine waiting for it costs tenfold.
  const args = [PROGRAM, "serve", "--port", "0", "--threads", "1", ...models, ...(options.args ?? [])];
  const child = spawn(process.execPath, args, { env: environment(options.env), stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const pipe of [child.stdout, child.stderr]) {
    pipe.setEncoding("utf8");
    pipe.on("data", (text: string) => {
      output += text;
    });
  }
  const exit = exitOf(child);
  const server = (url: string): RunningServer => ({
    url,
    pid: child.pid ?? 0,
    log: () => output,
    stop: () => stop(child, exit),
  });
  try {
    const found = await until(
      () => urlIn(output),
      child,
      () => output,
    );
    if ((options.models ?? []).length > 0)
      await until(
        () => isReady(found),
        child,
        () => output,
      );
    return server(found);
  } catch (error) {
    await stop(child, exit);
    throw error;
  }
}

function environment(added: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  // As from a shell: under npm the server takes a second signal, when it comes right behind the first, for npm's copy of it.
  const inherited = Object.entries(process.env).filter(([name]) => !/^(CONTINUO_|npm_)/.test(name));
  // What this machine's user has pulled and installed is no part of a test.
  const nothing = { CONTINUO_DATA_DIR: join(tmpdir(), "continuo-test-no-data"), CONTINUO_DATABASE: "memory" };
  return { ...Object.fromEntries(inherited), ...nothing, ...added };
}

function urlIn(output: string): string | undefined {
  // Before it says where it listens, it says where its engines are.
  return /(?<! at )http:\/\/127\.0\.0\.1:\d+|(?<=Listening on )unix:\S+/.exec(output)?.[0];
}

async function isReady(url: string): Promise<true | undefined> {
  // Said of a socket when all models are loaded.
  if (url.startsWith("unix:")) return true;
  const response = await fetch(`${url}/ready`).catch(() => undefined);
  await response?.body?.cancel();
  return response?.status === 200 ? true : undefined;
}

/** Looks again and again until there is something. Rejects when the process ends or the time is up. */
async function until<T>(
  look: () => T | undefined | Promise<T | undefined>,
  child: ChildProcess,
  output: () => string,
): Promise<T> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < deadline) {
    const found = await look();
    if (found !== undefined) return found;
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`the server ended:\n${output()}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error(`the server was not ready within ${START_TIMEOUT_MS} ms:\n${output()}`);
}

function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once("exit", resolve);
    child.once("error", reject);
  });
}

async function stop(child: ChildProcess, exit: Promise<number | null>): Promise<number | null> {
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  try {
    return await exit;
  } finally {
    clearTimeout(timer);
  }
}
