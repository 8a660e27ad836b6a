import { copyFileSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { sql } from "kysely";
import { expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "../../test/support/files.ts";
import { smallDisk } from "../../test/support/small-disk.ts";
import { freshLibsql } from "../../test/support/stores.ts";
import { StoreFailure, storeFailure } from "./failure.ts";
import { openStore } from "./open.ts";
import type { Store } from "./schema.ts";

function folder(): string {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  return path;
}

async function opened(dataDir: string): Promise<Store> {
  const store = await openStore({ dataDir });
  onTestFinished(() => store.destroy());
  return store;
}

/** Writes a row of some size. */
function write(store: Store, id: string) {
  const row = { id, name: id.padEnd(5_000, "."), created_at_ms: 1, changed_at_ms: 0, deleted_at_ms: null };
  return store.insertInto("workspaces").values(row).execute();
}

const count = async (store: Store) => (await store.selectFrom("workspaces").select("id").execute()).length;

test("a database without room says that it is full, in a transaction too, and takes the next write once there is room", async () => {
  const store = await freshLibsql();
  const { rows } = await sql<{ page_count: number }>`pragma page_count`.execute(store);
  await sql`pragma max_page_count = ${sql.lit(rows[0]?.page_count ?? 0)}`.execute(store);

  await expect(write(store, "a")).rejects.toMatchObject({ kind: "full" });
  await expect(store.transaction().execute((transaction) => write(transaction, "b"))).rejects.toMatchObject({
    name: "StoreFailure",
    kind: "full",
  });

  await sql`pragma max_page_count = 1000000`.execute(store);
  await store.transaction().execute((transaction) => write(transaction, "c"));
  expect(await count(store)).toBe(2); // with the default workspace
});

test("a full disk is named with the database and what to do", async ({ skip }) => {
  const disk = smallDisk();
  if ("missing" in disk) return skip(disk.missing);
  onTestFinished(disk.remove);
  const store = await openStore({ dataDir: disk.path });

  disk.fill();
  const failing = write(store, "a");

  await expect(failing).rejects.toThrow(
    `the database ${disk.path}/continuo.db cannot be written: its disk is full; free some space there`,
  );
  disk.clear();
  await write(store, "a");
  await store.destroy();
});

test("a disk with too little room for a database is full, whatever SQLite finds first", async ({ skip }) => {
  const disk = smallDisk();
  if ("missing" in disk) return skip(disk.missing);
  onTestFinished(disk.remove);

  for (const kibibytes of [0, 8, 40]) {
    disk.fill(kibibytes * 1024);
    await expect(openStore({ dataDir: disk.path }), `${kibibytes} KiB left`).rejects.toMatchObject({ kind: "full" });
    for (const file of readdirSync(disk.path)) rmSync(join(disk.path, file));
  }
});

test("PostgreSQL's full disk is one, too", () => {
  const error = Object.assign(new Error("could not extend file"), { code: "53100" });

  expect(storeFailure(error, { name: "postgres://db/continuo" })).toMatchObject({
    kind: "full",
    message: expect.stringContaining("the database postgres://db/continuo cannot be written: its disk is full"),
  });
});

test("a database file that is removed under an open store is noticed, and all is well when it is back", async () => {
  const dataDir = folder();
  const path = join(dataDir, "continuo.db");
  const store = await opened(dataDir);
  await write(store, "a");

  renameSync(path, `${path}.away`);
  const failing = count(store);
  await expect(failing).rejects.toBeInstanceOf(StoreFailure);
  await expect(failing).rejects.toThrow(`the database file ${path} was removed while it was open; put the same file`);
  await expect(store.transaction().execute((transaction) => write(transaction, "b"))).rejects.toThrow("was removed");

  renameSync(`${path}.away`, path);
  await write(store, "c");
  expect(await count(store)).toBe(3); // with the default workspace
});

test("a database file that is replaced under an open store is not written to", async () => {
  const dataDir = folder();
  const path = join(dataDir, "continuo.db");
  const store = await opened(dataDir);

  copyFileSync(path, `${path}.copy`);
  renameSync(`${path}.copy`, path);

  await expect(write(store, "a")).rejects.toThrow(`${path} was replaced by another file while it was open`);
});

test("the log of a database belongs to it", async () => {
  const dataDir = folder();
  const store = await opened(dataDir);
  await write(store, "a");

  rmSync(join(dataDir, "continuo.db-wal"));

  await expect(count(store)).rejects.toThrow("continuo.db-wal was removed while it was open");
});
