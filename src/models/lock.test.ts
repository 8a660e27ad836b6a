import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { temporaryFolder } from "../../test/support/files.ts";
import { type Lock, takeLock } from "./lock.ts";

let folder: ReturnType<typeof temporaryFolder>;
let path: string;

beforeEach(() => {
  folder = temporaryFolder();
  path = join(folder.path, ".lock");
});

afterEach(() => folder.remove());

/** A lock of a process that has ended. */
function leaveBehind(over: object = {}): void {
  const { pid } = spawnSync(process.execPath, ["-e", ""]);
  writeFileSync(path, JSON.stringify({ pid, host: hostname(), token: "old", ...over }));
}

test("of many who ask at once, one gets it; the next one when it is released", async () => {
  const asked = await Promise.all(Array.from({ length: 20 }, () => takeLock(path)));
  const got = asked.filter((lock): lock is Lock => lock !== undefined);

  expect(got).toHaveLength(1);
  await got[0]?.release();
  expect(existsSync(path)).toBe(false);
  const next = await takeLock(path);
  expect(next).toBeDefined();
  await next?.release();
});

test("of many who find one left behind by a killed process, one gets it", async () => {
  leaveBehind();

  const asked = await Promise.all(Array.from({ length: 20 }, () => takeLock(path)));

  const got = asked.filter((lock) => lock !== undefined);
  expect(got).toHaveLength(1);
  await got[0]?.release();
  expect(readdirSync(folder.path)).toEqual([]);
});

test("of a process elsewhere it counts until nobody has touched it for a while", async () => {
  leaveBehind({ host: "another machine" });
  expect(await takeLock(path)).toBeUndefined();

  const longAgo = new Date(Date.now() - 60_000);
  utimesSync(path, longAgo, longAgo);

  const lock = await takeLock(path);
  expect(lock).toBeDefined();
  await lock?.release();
});

test("who was taken for dead does not release the lock of the next one", async () => {
  const first = await takeLock(path);
  const longAgo = new Date(Date.now() - 60_000);
  utimesSync(path, longAgo, longAgo);
  const second = await takeLock(path);

  await first?.release();

  expect(second).toBeDefined();
  expect(existsSync(path)).toBe(true);
  await second?.release();
});
