/** Both kinds of store, for tests that run on each. */
import { PGlite } from "@electric-sql/pglite";
import { PostgresDialect, type PostgresPool, type PostgresPoolClient } from "kysely";
import { afterAll, beforeAll, onTestFinished } from "vitest";
import { openStore, storeOver } from "../../src/db/open.ts";
import type { Store } from "../../src/db/schema.ts";
import { gate } from "./scripted-engine.ts";

/** Use as `describe.each(STORES)("… on %s", (_name, stores) => { const freshStore = stores(); … })`. */
export const STORES: readonly (readonly [name: string, stores: () => () => Promise<Store>])[] = [
  ["libsql", () => freshLibsql],
  ["PGlite", pgliteStores],
];

/** An empty store in memory; the test's end closes it. */
export async function freshLibsql(): Promise<Store> {
  const store = await openStore({ dataDir: "", database: "memory" });
  onTestFinished(() => store.destroy());
  return store;
}

/** A PostgreSQL database in this process, emptied whenever a test asks for a store. */
function pgliteStores(): () => Promise<Store> {
  let database: PGlite; // starting one takes seconds, so a file's tests share it
  beforeAll(async () => {
    database = await PGlite.create();
  });
  afterAll(() => database?.close());
  return async () => {
    await database.exec("drop schema public cascade; create schema public");
    return storeOver(new PostgresDialect({ pool: poolOver(database) }));
  };
}

/** One connection that one at a time may have: the database has no other. */
function poolOver(database: PGlite): PostgresPool {
  let released = Promise.resolve();
  return {
    connect: async () => {
      const before = released;
      const { opened, open } = gate();
      released = opened;
      await before;
      return { query: queryOf(database), release: open };
    },
    end: async () => undefined, // the database is the test file's
  };
}

function queryOf(database: PGlite): PostgresPoolClient["query"] {
  const query = async (text: string, parameters: readonly unknown[]) => {
    const { rows, affectedRows = 0 } = await database.query(text, [...parameters]);
    return { command: text.split(/\s/, 1)[0]?.toUpperCase(), rowCount: affectedRows, rows };
  };
  return query as PostgresPoolClient["query"];
}
