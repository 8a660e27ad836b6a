import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Device } from "../native/devices.ts";
import { engineEnvironment } from "./engine-environment.ts";

/** What one set of libraries finds on this machine. */
export interface LibraryReport {
  /** Folder the libraries lie in. */
  readonly folder: string;
  readonly llamaVersion: string;
  /** The CPU variant that suits this processor best, such as `cpu-haswell`. */
  readonly cpuVariant: string;
  /** Processor features that the libraries use, such as `AVX2 = 1 | FMA = 1`. */
  readonly features: string;
  readonly devices: readonly Device[];
  /** Why libraries that know GPUs do not use one; absent: they do. */
  readonly whyNoGpu?: string;
}

/** Milliseconds; drivers take a second or two to come up. */
const TIME_LIMIT_MS = 30_000;

/**
 * Loads libraries in a process of its own and asks them. Rejects with an error for people when they cannot be loaded.
 *
 * @param folder absent: that of the installed platform package.
 */
export function probeLibraries(
  folder?: string,
  script: URL = new URL("../probe-process.js", import.meta.url),
): Promise<LibraryReport> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(script), folder === undefined ? [] : [folder], {
      execArgv: [],
      env: engineEnvironment(process.env),
      stdio: ["ignore", "ignore", "ignore", "ipc"],
      timeout: TIME_LIMIT_MS,
      killSignal: "SIGKILL",
    });
    child.once("message", (answer: LibraryReport | { readonly error: string }) => {
      if ("error" in answer) reject(new Error(answer.error));
      else resolve(answer);
    });
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      reject(
        new Error(
          `the libraries${folder === undefined ? "" : ` in ${folder}`} ended the process that tried them (${signal ?? `exit code ${code}`})`,
        ),
      );
    });
  });
}
