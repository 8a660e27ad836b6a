/**
 * Both kinds of store, for tests that run on each. `CONTINUO_TEST_POSTGRES`, the URL of a PostgreSQL server whose user
 * may make databases (without one at its end), adds that server to them.
 */
import { randomBytes } from "node:crypto";
import { PGlite } from "@electric-sql/pglite";
import { PostgresDialect, type PostgresPool, type PostgresPoolClient } from "kysely";
import pg from "pg";
import { afterAll, beforeAll, onTestFinished } from "vitest";
import { openStore, storeOver } from "../../src/db/open.ts";
import type { Store } from "../../src/db/schema.ts";
import { gate } from "./scripted-engine.ts";

/** Undefined: none is there to test with. */
export const POSTGRES_SERVER = process.env["CONTINUO_TEST_POSTGRES"] || undefined;

/** Use as `describe.each(STORES)("… on %s", (_name, stores) => { const freshStore = stores(); … })`. */
export const STORES: readonly (readonly [name: string, stores: () => () => Promise<Store>])[] = [
  ["libsql", () => freshLibsql],
  ["PGlite", pgliteStores],
  ...(POSTGRES_SERVER === undefined ? [] : [["PostgreSQL", postgresStores] as const]),
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
    return storeOver(new PostgresDialect({ pool: poolOver(database) }), { name: "PGlite" });
  };
}

function postgresStores(): () => Promise<Store> {
  const freshDatabase = postgresDatabases();
  return async () => {
    const store = await openStore({ dataDir: "", database: await freshDatabase() });
    onTestFinished(() => store.destroy());
    return store;
  };
}

/** URLs of an empty database on the server; call it in a `describe` block. */
export function postgresDatabases(): () => Promise<string> {
  const name = `continuo_test_${randomBytes(8).toString("hex")}`;
  beforeAll(() => query("postgres", `create database ${name}`));
  afterAll(() => query("postgres", `drop database ${name} with (force)`));
  return async () => {
    await query(name, "drop schema public cascade; create schema public");
    return urlOf(name);
  };
}

async function query(database: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: urlOf(database) });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}

function urlOf(database: string): string {
  return `${POSTGRES_SERVER}/${database}`;
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
