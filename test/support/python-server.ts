/** Servers out of Python packages, each in an environment of its own that is kept under `.cache/` between runs. */
import { type ChildProcess, type ExecFileSyncOptions, execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const CACHE = fileURLToPath(new URL("../../.cache", import.meta.url));
const INSTALL_TIMEOUT_MS = 540_000;
const STOP_TIMEOUT_MS = 20_000;
const POLL_MS = 100;

/** The folder of an environment with these packages; a second call takes no time. Throws when pip fails. */
export function pythonEnvironment(name: string, packages: readonly string[]): string {
  const folder = join(CACHE, name);
  const wanted = `${packages.join("\n")}\n`;
  const mark = join(folder, "installed.txt");
  if (existsSync(mark) && readFileSync(mark, "utf8") === wanted) return folder;
  execFileSync("python3", ["-m", "venv", folder]);
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...packages];
  const options: ExecFileSyncOptions = { stdio: ["ignore", "ignore", "inherit"], timeout: INSTALL_TIMEOUT_MS };
  execFileSync(join(folder, "bin", "python"), pip, options);
  writeFileSync(mark, wanted);
  return folder;
}

export interface ServerProgram {
  /** What errors call it. */
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly url: string;
  /** Resolves to true when it can be asked. */
  readonly isReady: (url: string) => Promise<boolean>;
  readonly startTimeoutMs: number;
}

export interface StartedServer {
  readonly url: string;
  readonly pid: number;
  /** Milliseconds from the start of the process until it was ready. */
  readonly readyMs: number;
  /** Everything it has written so far. */
  log(): string;
  stop(): Promise<void>;
}

export async function startServerProgram(options: ServerProgram): Promise<StartedServer> {
  const { name, program, args, env, url, isReady, startTimeoutMs } = options;
  const startedMs = performance.now();
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const pipe of [child.stdout, child.stderr]) {
    pipe.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const stop = (): Promise<void> => ended(child);
  while (!(await isReady(url))) {
    if (child.exitCode !== null || performance.now() - startedMs > startTimeoutMs) {
      await stop();
      throw new Error(`${name} did not come up:\n${output.slice(-4096)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return { url, pid: child.pid ?? 0, readyMs: performance.now() - startedMs, log: () => output, stop };
}

/** Whether a path is answered with 200. */
export function answersAt(path: string): (url: string) => Promise<boolean> {
  return async (url) => {
    const response = await fetch(`${url}${path}`).catch(() => undefined);
    await response?.body?.cancel();
    return response?.status === 200;
  };
}

/** Asked first, as a killed one may leave processes of its own behind. */
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
