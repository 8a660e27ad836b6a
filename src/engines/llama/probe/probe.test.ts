import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { temporaryFolder } from "../../../../test/support/files.ts";
import { probeLibraries } from "./probe.ts";

/** The built program: a process of its own runs no TypeScript. */
const PROGRAM = new URL("../../../../dist/engines/llama/probe-process.js", import.meta.url);
const folder = temporaryFolder();
afterAll(folder.remove);

test("the platform's libraries tell version, processor and devices", async () => {
  const report = await probeLibraries(undefined, PROGRAM);

  expect(report.llamaVersion).toMatch(/^\d+\.\d+\.\d+$/);
  expect(report.cpuVariant).toMatch(/^cpu/);
  expect(report.features).toContain("CPU");
  expect(report.devices.some(({ kind, totalBytes }) => kind === "cpu" && totalBytes > 0)).toBe(true);
});

test("a folder without libraries is told", async () => {
  await expect(probeLibraries(folder.path, PROGRAM)).rejects.toThrow(/expected exactly one file .* found none/);
});

test("libraries that end the process are told", async () => {
  const dying = join(folder.path, "dying.mjs");
  writeFileSync(dying, "process.exit(3);");

  await expect(probeLibraries(folder.path, new URL(`file://${dying}`))).rejects.toThrow(
    /ended the process .*exit code 3/,
  );
});
