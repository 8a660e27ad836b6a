/** The built program in a process of its own, for what happens before a server listens, and for other commands. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const PROGRAM = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

export interface Program {
  readonly child: ChildProcess;
  /** Standard output and standard error so far. */
  stdout(): string;
  stderr(): string;
  /** Resolves with the exit code, null when a signal ended it. */
  readonly exit: Promise<number | null>;
}

/** Starts the program; one that still runs at the test's end is killed. `CONTINUO_…` of this process has no say in it. */
export function startProgram(args: readonly string[], env: Readonly<Record<string, string>> = {}): Program {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(CONTINUO_|npm_)/.test(name));
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      texts[name] += text;
    });
  }
  const exit = once(child, "close").then(([code]) => code as number | null);
  return { child, stdout: () => texts.stdout, stderr: () => texts.stderr, exit };
}

/** Runs the program to its end. */
export async function runProgram(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { exit, stdout, stderr } = startProgram(args, env);
  return { code: await exit, stdout: stdout(), stderr: stderr() };
}
