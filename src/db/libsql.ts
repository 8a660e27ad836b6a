import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  SqliteAdapter,
  type SqliteDatabase,
  SqliteDialect,
  SqliteDriver,
  type SqliteStatement,
} from "kysely";
import Database from "libsql";
import { StoreFailure } from "./failure.ts";

/** A database that is gone when it is closed. */
export const IN_MEMORY = ":memory:";

/** Statements that are kept prepared; the queries of a server are fewer. */
const MAX_STATEMENTS = 200;

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
    createDriver: () => new LibsqlDriver({ database: async () => keepingStatements(openDatabase(path)) }),
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

/** Prepares no text twice: it takes longer than to find a key with the statement. */
function keepingStatements(database: InstanceType<typeof Database>): SqliteDatabase {
  const statements = new Map<string, SqliteStatement>();
  const prepare = (text: string): SqliteStatement => {
    const kept = statements.get(text);
    if (kept !== undefined) return kept;
    const statement: SqliteStatement = database.prepare(text);
    // Whether it gives rows never changes, and to ask the database takes as long as a small query.
    const { reader } = statement;
    const fresh: SqliteStatement = {
      reader,
      all: (parameters) => statement.all(parameters),
      run: (parameters) => statement.run(parameters),
      iterate: (parameters) => statement.iterate(parameters),
    };
    const [oldest] = statements.keys();
    if (statements.size >= MAX_STATEMENTS && oldest !== undefined) statements.delete(oldest);
    statements.set(text, fresh);
    return fresh;
  };
  return { prepare, close: () => void database.close() };
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
