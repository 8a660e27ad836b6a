import { lstatSync } from "node:fs";
import { join } from "node:path";
import { type Dialect, Kysely } from "kysely";
import type { StorePlace } from "./failure.ts";
import { migrate } from "./migrate.ts";
import type { Store, Tables } from "./schema.ts";
import { TranslatingDriver } from "./translating-driver.ts";

/** Where the store is. */
export interface StoreLocation {
  /** Absolute path of the folder for the database file. */
  readonly dataDir: string;
  /** `postgres://…`, or `memory` for one that is gone with the process. Absent: a file in `dataDir`. */
  readonly database?: string;
}

/** The place for people, without a password. */
export function placeOf({ dataDir, database }: StoreLocation): string {
  if (database === undefined) return fileIn(dataDir);
  if (database === "memory") return "memory";
  const { host, pathname } = new URL(database);
  return `postgres://${host}${pathname}`;
}

/** Opens the store, makes it when it is not there, and brings its tables up to date. Close it with `destroy()`. */
export async function openStore(location: StoreLocation): Promise<Store> {
  const { dialect, place } = await databaseAt(location);
  return storeOver(dialect, place);
}

/**
 * Reads from the store that is there, and changes nothing in it. A file that is not there yet is not made.
 *
 * @throws StoreFailure where a server could not use it
 */
export async function tryStore(location: StoreLocation): Promise<"there" | "not there yet"> {
  // A link that leads nowhere is there: opening says what is wrong with it.
  const isThere = lstatSync(fileIn(location.dataDir), { throwIfNoEntry: false }) !== undefined;
  if (location.database === undefined && !isThere) return "not there yet";
  const { dialect, place } = await databaseAt(location);
  const store = queriesOver(dialect, place);
  try {
    await store.introspection.getTables();
    return "there";
  } finally {
    await store.destroy().catch(() => undefined); // as in storeOver
  }
}

/** The store in a database that is spoken to in this dialect. */
export async function storeOver(dialect: Dialect, place: StorePlace): Promise<Store> {
  const store = queriesOver(dialect, place);
  try {
    await migrate(store);
    return store;
  } catch (error) {
    // Where opening itself failed, closing fails with the same.
    await store.destroy().catch(() => undefined);
    throw error;
  }
}

function queriesOver(dialect: Dialect, place: StorePlace): Store {
  return new Kysely<Tables>({
    dialect: {
      createAdapter: () => dialect.createAdapter(),
      createDriver: () => new TranslatingDriver(dialect.createDriver(), place),
      createIntrospector: (db) => dialect.createIntrospector(db),
      createQueryCompiler: () => dialect.createQueryCompiler(),
    },
  });
}

/** Each is loaded only where it is used: one is machine code, the other a network client. */
async function databaseAt(location: StoreLocation): Promise<{ dialect: Dialect; place: StorePlace }> {
  const { dataDir, database } = location;
  if (database !== undefined && database !== "memory") {
    const { postgresDialect } = await import("./postgres.ts");
    return { dialect: postgresDialect(database), place: { name: placeOf(location) } };
  }
  const { IN_MEMORY, libsqlDialect, libsqlPlace } = await import("./libsql.ts");
  const path = database === "memory" ? IN_MEMORY : fileIn(dataDir);
  return { dialect: libsqlDialect(path), place: libsqlPlace(path) };
}

function fileIn(dataDir: string): string {
  return join(dataDir, "continuo.db");
}
