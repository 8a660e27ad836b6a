import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  SqliteAdapter,
  SqliteDialect,
  SqliteDriver,
} from "kysely";
import Database from "libsql";
import { StoreFailure } from "./failure.ts";

/** A database that is gone when it is closed. */
export const IN_MEMORY = ":memory:";

/** Milliseconds to wait for another process that writes; ours write for a few. The whole process waits. */
const BUSY_TIMEOUT_MS = 5_000;

/**
 * An embedded database in a file that only this user may read.
 *
 * @param path absolute, or `IN_MEMORY`. The file and its folder are made when they are not there.
 */
export function libsqlDialect(path: string): Dialect {
  const sqlite = new SqliteDialect({ database: async () => openDatabase(path) });
  return {
    createAdapter: () => new LibsqlAdapter(),
    createDriver: () => new LibsqlDriver({ database: async () => openDatabase(path) }),
    createIntrospector: (db) => sqlite.createIntrospector(db),
    createQueryCompiler: () => sqlite.createQueryCompiler(),
  };
}

function openDatabase(path: string): InstanceType<typeof Database> {
  if (path !== IN_MEMORY) makeFile(path);
  const database = new Database(path);
  // The wait comes first: the others may already need it.
  for (const setting of [
    `busy_timeout = ${BUSY_TIMEOUT_MS}`,
    "journal_mode = wal",
    "synchronous = normal",
    "foreign_keys = on",
  ]) {
    database.pragma(setting);
  }
  return database;
}

function makeFile(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    closeSync(openSync(path, "a", 0o600));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const advice =
      "give this user the right to write there, choose another folder with --data-dir, or keep nothing (`database: memory`)";
    throw new StoreFailure("unavailable", `the database ${path} cannot be written (${reason}); ${advice}`, cause);
  }
}

/** A change of tables can be undone like any other, so migrations run in a transaction. */
class LibsqlAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

/** Transactions take the write lock when they begin: taken later, another writer in between would make them fail. */
class LibsqlDriver extends SqliteDriver implements Driver {
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw("begin immediate"));
  }
}
