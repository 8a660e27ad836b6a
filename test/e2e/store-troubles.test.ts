/** A server whose database is in trouble says so to callers, in its log and to who asks whether it is ready. */
import { copyFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { eventually, get, post } from "../support/calls.ts";
import { temporaryFolder } from "../support/files.ts";
import { smallDisk } from "../support/small-disk.ts";
import { startTinyServer, type TinyServer } from "../support/tiny-server.ts";

async function serverOn(dataDir: string): Promise<TinyServer> {
  const server = await startTinyServer({ tiny: {} }, { env: { CONTINUO_DATA_DIR: dataDir, CONTINUO_DATABASE: "" } });
  onTestFinished(async () => void (await server.stop()));
  return server;
}

const call = ({ url }: TinyServer) => post(url, "/v1/completions", { model: "tiny", prompt: "a", max_tokens: 1 });

/** Waits until the server is ready, or is not, and gives the reason. */
async function readiness({ url }: TinyServer, isReady: boolean): Promise<string | undefined> {
  let reason: string | undefined;
  await eventually(`ready is ${isReady}`, async () => {
    const { status, json } = await get(url, "/ready");
    reason = json.reason;
    return (status === 200) === isReady;
  });
  return reason;
}

test("a full disk is named to callers, in the log and by /ready, until there is room again", async ({ skip }) => {
  const disk = smallDisk();
  if ("missing" in disk) return skip(disk.missing);
  onTestFinished(disk.remove);
  const server = await serverOn(disk.path);
  expect((await call(server)).status).toBe(200);

  disk.fill();
  const refused = await call(server);

  expect([refused.status, refused.json.error.message]).toEqual([503, expect.stringContaining("disk")]);
  expect(await readiness(server, false)).toContain(
    `the database ${disk.path}/continuo.db cannot be written: its disk is full`,
  );
  await eventually("the log says it", async () =>
    server.log().includes(`${disk.path}/continuo.db cannot be written: its disk is full`),
  );

  disk.clear();
  expect(await readiness(server, true)).toBeUndefined();
  expect((await call(server)).status).toBe(200);
});

test("a database file that was removed or replaced makes a server not ready, and the same file makes it ready again", async () => {
  const { path: dataDir, remove } = temporaryFolder();
  onTestFinished(remove);
  const file = join(dataDir, "continuo.db");
  const server = await serverOn(dataDir);

  renameSync(file, `${file}.away`);
  expect((await call(server)).status).toBe(503);
  expect(await readiness(server, false)).toContain(`${file} was removed while it was open`);

  copyFileSync(`${file}.away`, file);
  expect((await call(server)).status).toBe(503);
  await eventually("it says that the file is another one", async () =>
    (await get(server.url, "/ready")).json.reason.includes("was replaced by another file"),
  );

  renameSync(`${file}.away`, file);
  expect(await readiness(server, true)).toBeUndefined();
  expect((await call(server)).status).toBe(200);
  expect(await server.stop()).toBe(0);
});
