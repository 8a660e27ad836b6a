import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { expect, test } from "vitest";
import { EngineProcess } from "./engine-process.ts";

const never = new AbortController().signal;

/** Leaves this process no file to open while `act` runs. */
async function withoutFiles(act: () => Promise<void>): Promise<void> {
  const prlimit = (...rest: readonly string[]): string =>
    execFileSync("prlimit", [`--pid=${process.pid}`, ...rest])
      .toString()
      .trim();
  const before = prlimit("--nofile", "--output=SOFT", "--noheadings");
  prlimit("--nofile=256:");
  const files: number[] = [];
  try {
    for (;;) files.push(openSync("/dev/null", "r"));
  } catch {
    await act(); // there are no more
  } finally {
    for (const file of files) closeSync(file);
    prlimit(`--nofile=${before}:`);
  }
}

test.runIf(spawnSync("prlimit", ["--version"]).status === 0)(
  "a process for which no file is left fails the load, with the reason",
  async () => {
    const engine = new EngineProcess({
      script: new URL("file:///nowhere.mjs"),
      prepare: async () => ({
        type: "load",
        path: "some.gguf",
        options: { slots: 1, slotTokens: 100, deterministic: true, queueLimit: 1 },
      }),
      timeoutMs: Number.POSITIVE_INFINITY,
      events: { ready: () => {}, message: () => {}, failed: () => {}, hung: () => {}, died: () => {} },
    });

    await withoutFiles(async () => {
      await expect(engine.ready(never)).rejects.toMatchObject({
        code: "model_unavailable",
        message: expect.stringContaining("EMFILE"),
      });
    });
  },
);
