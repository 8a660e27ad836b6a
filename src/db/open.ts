import { join } from "node:path";
import { type Dialect, Kysely } from "kysely";
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
  return storeOver(await dialectOf(location));
}

/** The store in a database that is spoken to in this dialect. */
export async function storeOver(dialect: Dialect): Promise<Store> {
  const store = new Kysely<Tables>({
    dialect: {
      createAdapter: () => dialect.createAdapter(),
      createDriver: () => new TranslatingDriver(dialect.createDriver()),
      createIntrospector: (db) => dialect.createIntrospector(db),
      createQueryCompiler: () => dialect.createQueryCompiler(),
    },
  });
  try {
    await migrate(store);
    return store;
  } catch (error) {
    // Where opening itself failed, closing fails with the same.
    await store.destroy().catch(() => undefined);
    throw error;
  }
}

/** Each is loaded only where it is used: one is machine code, the other a network client. */
async function dialectOf({ dataDir, database }: StoreLocation): Promise<Dialect> {
  if (database !== undefined && database !== "memory") {
    const { postgresDialect } = await import("./postgres.ts");
    return postgresDialect(database);
  }
  const { IN_MEMORY, libsqlDialect } = await import("./libsql.ts");
  return libsqlDialect(database === "memory" ? IN_MEMORY : fileIn(dataDir));
}

function fileIn(dataDir: string): string {
  return join(dataDir, "continuo.db");
}
