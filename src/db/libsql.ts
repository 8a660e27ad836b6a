import { accessSync, closeSync, constants, lstatSync, openSync, readlinkSync, statfsSync, statSync } from "node:fs";
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
import { makeFolder } from "../folder.ts";
import { StoreFailure, type StorePlace } from "./failure.ts";
import { FileWatch } from "./file-watch.ts";

/** A database that is gone when it is closed. */
export const IN_MEMORY = ":memory:";

/** Less room than this on a disk, and SQLite cannot make the index of its log (32 KiB) or write a page of it. */
const FULL_BELOW_BYTES = 64 * 1024;

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
  const sqlite = new SqliteDialect({ database: () => openDatabase(path) });
  return {
    createAdapter: () => new LibsqlAdapter(),
    createDriver: () => new LibsqlDriver(path),
    createIntrospector: (db) => sqlite.createIntrospector(db),
    createQueryCompiler: () => sqlite.createQueryCompiler(),
  };
}

/** What failures say of it. @param path absolute, or `IN_MEMORY` */
export function libsqlPlace(path: string): StorePlace {
  if (path === IN_MEMORY) return { name: "in memory" };
  return { name: path, isDiskFull: () => isDiskFull(dirname(path)) };
}

function isDiskFull(folder: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize < FULL_BELOW_BYTES;
  } catch {
    return false; // the folder cannot be looked at: another trouble than a full disk
  }
}

async function openDatabase(path: string): Promise<InstanceType<typeof Database>> {
  if (path !== IN_MEMORY) await makeFile(path);
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

async function makeFile(path: string): Promise<void> {
  try {
    await makeFolder(dirname(path));
    makeOrFind(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const advice =
      "give this user the right to write there, choose another folder with --data-dir, or keep nothing (`database: memory`)";
    throw new StoreFailure("unavailable", `the database ${path} cannot be written (${reason}); ${advice}`, cause);
  }
}

/** A file that is there is not opened: closing it again would drop the locks that this process has on it (fcntl(2)). */
function makeOrFind(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined && lstatSync(path, { throwIfNoEntry: false }) !== undefined) {
    throw new Error(`it is a symbolic link to ${readlinkSync(path)}, which does not exist`);
  }
  if (found === undefined) closeSync(openSync(path, "a", 0o600));
  else if (found.isFile()) accessSync(path, constants.R_OK | constants.W_OK);
  else throw new Error("it is no file");
}

/** A change of tables can be undone like any other, so migrations run in a transaction. */
class LibsqlAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

/** Transactions take the write lock when they begin: taken later, another writer in between would make them fail. */
class LibsqlDriver extends SqliteDriver implements Driver {
  readonly #watch: FileWatch | undefined;

  constructor(path: string) {
    super({ database: async () => keepingStatements(await openDatabase(path)) });
    this.#watch = path === IN_MEMORY ? undefined : new FileWatch(path);
  }

  /** Every query outside a transaction begins here, and every transaction. */
  override async acquireConnection(): Promise<DatabaseConnection> {
    this.#watch?.check();
    return super.acquireConnection();
  }

  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw("begin immediate"));
  }

  /** SQLite has rolled back already when a statement found the disk full or broken; why it did is what counts. */
  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    try {
      await super.rollbackTransaction(connection);
    } catch (error) {
      if (!(error instanceof Error && error.message.includes("no transaction is active"))) throw error;
    }
  }
}
