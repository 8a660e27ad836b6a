/** Runs a completed Python program with its tests: text that a model wrote, as a program on this machine. */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ServiceError } from "../errors.ts";
import type { InfillCase } from "./infill-case.ts";

/** Milliseconds from start to end; a test of HumanEval takes a few. */
const TIMEOUT_MS = 10_000;
/** Output kept, characters. */
const OUTPUT_CHARACTERS = 64;

/**
 * What the process does before it runs the program: limits on time, memory, files and processes; no network as far as
 * the system lets an ordinary user take it away. It is no sandbox: files that the user may read can be read.
 *
 * Arguments: path of the program, a word that is printed when the program has come to its end.
 */
const LIMITER = `
import ctypes, os, resource, sys

def limit(what, value):
    try:
        resource.setrlimit(what, (value, value))
    except (ValueError, OSError):
        pass  # macOS has no limit on address space

path, passed = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    program = compile(file.read(), "program.py", "exec")
if sys.platform == "linux":
    NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000
    ctypes.CDLL(None, use_errno=True).unshare(NEW_USER | NEW_NETWORK)
for module in ("_socket", "ctypes", "_ctypes", "subprocess", "_posixsubprocess"):
    sys.modules[module] = None
limit(resource.RLIMIT_CPU, 8)
limit(resource.RLIMIT_AS, 1 << 30)
limit(resource.RLIMIT_FSIZE, 0)
limit(resource.RLIMIT_NPROC, 0)
limit(resource.RLIMIT_CORE, 0)
report = os.dup(1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
sys.argv = ["program.py"]
exec(program, {"__name__": "__main__"})
os.write(report, passed.encode())
`;

/** Whether the program passes; undefined where the case has no tests. Throws `unsupported_input` without Python 3. */
export async function passesTests(
  infill: InfillCase,
  completion: string,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  if (infill.check === undefined) return undefined;
  const { test, entryPoint } = infill.check;
  const folder = await mkdtemp(join(tmpdir(), "continuo-eval-"));
  try {
    const path = join(folder, "program.py");
    await writeFile(path, `${infill.prefix}${completion}${infill.suffix}\n${test}\ncheck(${entryPoint})\n`);
    return await comesToItsEnd(path, folder, signal);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @param folder where the process works, with everything that the environment says left out */
async function comesToItsEnd(path: string, folder: string, signal: AbortSignal): Promise<boolean> {
  const passed = randomUUID();
  const child = spawn("python3", ["-I", "-B", "-c", LIMITER, path, passed], {
    cwd: folder,
    env: { PATH: process.env["PATH"], HOME: folder, TMPDIR: folder },
    stdio: ["ignore", "pipe", "ignore"],
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    killSignal: "SIGKILL",
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output = (output + text).slice(0, OUTPUT_CHARACTERS);
  });
  const missing = await new Promise<Error | undefined>((resolve) => {
    child.once("close", () => resolve(undefined));
    child.once("error", (error) => {
      // An abort kills the process, whose end then settles this; anything else means that it never began.
      if (child.pid === undefined) resolve(error);
    });
  });
  signal.throwIfAborted();
  if (missing !== undefined) {
    throw new ServiceError("unsupported_input", `--execute needs python3 on the path (${missing.message})`);
  }
  return output === passed;
}
