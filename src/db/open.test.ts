import { execFile } from "node:child_process";
import { statSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { sql } from "kysely";
import { describe, expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "../../test/support/files.ts";
import { freshLibsql, POSTGRES_SERVER, postgresDatabases, STORES } from "../../test/support/stores.ts";
import { storeFailure } from "./failure.ts";
import { openStore } from "./open.ts";
import type { Store } from "./schema.ts";

const OPEN_STORE = fileURLToPath(new URL("../../test/support/open-store.ts", import.meta.url));

function folder(): string {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  return path;
}

const workspace = (id: string) => ({
  id,
  name: id,
  created_at_ms: 1_790_000_000_000,
  changed_at_ms: 0,
  deleted_at_ms: null,
});

const names = async (store: Store) => {
  const rows = await store.selectFrom("workspaces").select("name").orderBy("name").execute();
  return rows.map(({ name }) => name);
};

describe.each(STORES)("a new store on %s", (_name, stores) => {
  const freshStore = stores();

  test("has the default workspace and nothing else", async () => {
    const store = await freshStore();

    expect(await names(store)).toEqual(["default"]);
    expect(await store.selectFrom("api_keys").selectAll().execute()).toEqual([]);
  });

  test("gives instants back as numbers", async () => {
    const store = await freshStore();
    await store.insertInto("workspaces").values(workspace("ws_a")).execute();

    const row = await store.selectFrom("workspaces").selectAll().where("id", "=", "ws_a").executeTakeFirst();

    expect(row).toEqual(workspace("ws_a"));
  });

  test("says what kind of failure it was, whatever the database calls it", async () => {
    const store = await freshStore();
    const key = { id: "k", workspace_id: "none", digest: "d", ending: "e", created_at_ms: 1 };
    const absent = {
      label: null,
      expires_at_ms: null,
      disabled_at_ms: null,
      deleted_at_ms: null,
      last_used_at_ms: null,
    };

    await expect(store.insertInto("workspaces").values(workspace("default")).execute()).rejects.toMatchObject({
      name: "StoreFailure",
      kind: "unique",
    });
    await expect(
      store
        .insertInto("api_keys")
        .values({ ...key, ...absent })
        .execute(),
    ).rejects.toMatchObject({
      name: "StoreFailure",
      kind: "missing",
    });
    await expect(sql`select nothing from nowhere`.execute(store)).rejects.not.toHaveProperty("kind");
  });

  test("keeps nothing of a transaction that failed", async () => {
    const store = await freshStore();

    const failing = store.transaction().execute(async (transaction) => {
      await transaction.insertInto("workspaces").values(workspace("ws_a")).execute();
      throw new Error("no");
    });

    await expect(failing).rejects.toThrow("no");
    expect(await names(store)).toEqual(["default"]);
  });
});

describe("a store in a file", () => {
  test("is still there when it is opened again, and only this user may read it", async () => {
    const dataDir = join(folder(), "not", "there", "yet");
    const first = await openStore({ dataDir });
    await first.insertInto("workspaces").values(workspace("ws_a")).execute();
    const modes = ["continuo.db", "continuo.db-wal"].map((file) => statSync(join(dataDir, file)).mode & 0o777);
    await first.destroy();

    const second = await openStore({ dataDir });
    onTestFinished(() => second.destroy());

    expect(await names(second)).toEqual(["default", "ws_a"]);
    expect(modes).toEqual([0o600, 0o600]);
  });

  test("is made once by processes that start at the same time, and takes what each of them writes", async () => {
    const dataDir = folder();
    const starting = ["one", "two", "three"].map((name) =>
      promisify(execFile)(process.execPath, ["--import", "tsx", OPEN_STORE, dataDir, name]),
    );
    await Promise.all(starting);

    const store = await openStore({ dataDir });
    onTestFinished(() => store.destroy());

    expect(await names(store)).toEqual(["default", "one", "three", "two"]);
  });

  test("answers the same query anew, also after it has failed, and after another process has changed its table", async () => {
    const dataDir = folder();
    const [store, other] = [await openStore({ dataDir }), await openStore({ dataDir })];
    onTestFinished(async () => void (await Promise.all([store.destroy(), other.destroy()])));
    const insert = (id: string) => store.insertInto("workspaces").values(workspace(id)).execute();
    const columns = async () =>
      Object.keys(await store.selectFrom("workspaces").selectAll().executeTakeFirstOrThrow()).length;

    await insert("ws_a");
    await expect(insert("ws_a")).rejects.toMatchObject({ kind: "unique" });
    await insert("ws_b");
    const before = await columns();
    await sql`alter table workspaces add column more text`.execute(other);

    expect(await names(store)).toEqual(["default", "ws_a", "ws_b"]);
    expect(await columns()).toBe(before + 1);
    await other.deleteFrom("workspaces").where("id", "=", "ws_b").execute();
    expect(await names(store)).toEqual(["default", "ws_a"]);
  });

  test("that is no database is refused", async () => {
    const dataDir = folder();
    writeFileSync(join(dataDir, "continuo.db"), "some text ".repeat(1000));

    await expect(openStore({ dataDir })).rejects.toMatchObject({ kind: "unavailable" });
  });

  test("in a folder that cannot be made is refused with what to do", async () => {
    const path = join(folder(), "file");
    writeFileSync(path, "");

    await expect(openStore({ dataDir: join(path, "data") })).rejects.toThrow(
      /the database .* cannot be written .*; give this user the right to write there, choose another folder/,
    );
  });
});

test("a store that a newer version has written is refused", async () => {
  const dataDir = folder();
  const store = await openStore({ dataDir });
  await sql`insert into kysely_migration (name, timestamp) values ('9999-later', '2099-01-01T00:00:00Z')`.execute(
    store,
  );
  await store.destroy();

  await expect(openStore({ dataDir })).rejects.toThrow("written by a newer version of Continuo");
});

test("a database server that cannot be reached is named as such, without its password", async () => {
  const opening = openStore({ dataDir: "", database: "postgres://me:pass-word@127.0.0.1:1/continuo" });

  await expect(opening).rejects.toMatchObject({ kind: "unavailable" });
  await expect(opening).rejects.not.toThrow("pass-word");
});

test("a database server that hangs up is unavailable", async () => {
  const server = createServer((socket) => socket.once("data", () => socket.destroy()));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;

  const opening = openStore({ dataDir: "", database: `postgres://me:pass-word@127.0.0.1:${port}/continuo` });

  await expect(opening).rejects.toMatchObject({ name: "StoreFailure", kind: "unavailable" });
});

test.each([
  "timeout exceeded when trying to connect",
  "Connection terminated due to connection timeout",
  "Connection terminated unexpectedly",
  "Client has encountered a connection error and is not queryable",
])("what the PostgreSQL client says without a code is a store that is away: %s", (message) => {
  expect(storeFailure(new Error(message), { name: "there" })).toMatchObject({ kind: "unavailable" });
});

test("a store in memory is another one each time", async () => {
  const first = await freshLibsql();
  await first.insertInto("workspaces").values(workspace("ws_a")).execute();

  expect(await names(await freshLibsql())).toEqual(["default"]);
});

describe.runIf(POSTGRES_SERVER !== undefined)("nodes on one PostgreSQL database", () => {
  const freshDatabase = postgresDatabases();

  test("make its tables once when they start at the same time", async () => {
    const database = await freshDatabase();

    const opened = await Promise.all([1, 2, 3].map(() => openStore({ dataDir: "", database })));
    onTestFinished(async () => {
      await Promise.all(opened.map((store) => store.destroy()));
    });

    expect(await Promise.all(opened.map(names))).toEqual([["default"], ["default"], ["default"]]);
  });

  test("see one another's changes", async () => {
    const database = await freshDatabase();
    const [one, two] = await Promise.all([openStore({ dataDir: "", database }), openStore({ dataDir: "", database })]);
    onTestFinished(async () => {
      await Promise.all([one.destroy(), two.destroy()]);
    });

    await one.insertInto("workspaces").values(workspace("ws_a")).execute();

    expect(await names(two)).toEqual(["default", "ws_a"]);
  });
});
