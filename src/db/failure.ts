/** What a store says, in words that are the same for both. */

/**
 * `unique`: such a row is there already. `missing`: a row that is referred to is not. `busy`: others kept the store
 * from us for too long. `full`: its disk is. `unavailable`: it cannot be reached or used.
 */
export type StoreFailureKind = "unique" | "missing" | "busy" | "full" | "unavailable";

/** The store that failures are about. */
export interface StorePlace {
  /** For people, without a password. */
  readonly name: string;
  /** Whether its disk has no room left. Absent: only the store itself can tell. */
  readonly isDiskFull?: () => boolean;
}

/** A query failed for a reason that lies in the data or the surroundings, not in the query. */
export class StoreFailure extends Error {
  override readonly name = "StoreFailure";
  readonly kind: StoreFailureKind;

  constructor(kind: StoreFailureKind, message: string, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
  }
}

const FULL = "cannot be written: its disk is full; free some space there";

/** SQLite's names of its codes, PostgreSQL's classes and codes, and the system's; the message goes on behind the store's name. */
const KINDS: readonly (readonly [pattern: RegExp, kind: StoreFailureKind, message: string])[] = [
  [/^(SQLITE_CONSTRAINT_(UNIQUE|PRIMARYKEY)|23505)$/, "unique", "has such a row already"],
  [/^(SQLITE_CONSTRAINT_FOREIGNKEY|23503)$/, "missing", "lacks a row that is referred to"],
  [/^(SQLITE_(BUSY|LOCKED)\w*|40001|40P01|55P03)$/, "busy", "is busy with others for too long; try again"],
  [/^(SQLITE_FULL|53100|ENOSPC|EDQUOT)$/, "full", FULL],
  [
    /^(SQLITE_(NOTADB|CORRUPT|CANTOPEN|READONLY|IOERR|PERM|AUTH)\w*|08\w{3}|28\w{3}|3D000|42501|53\w{3}|57P\d\d|E[A-Z]+)$/,
    "unavailable",
    "cannot be used; check that it is there, and what `database` in the configuration says",
  ],
];

/** What SQLite says when it finds no room for its log and its index of the log, besides `SQLITE_FULL` (SQLite 3.45). */
const MAYBE_FULL = /^SQLITE_(IOERR|CANTOPEN)\w*$/;

/** What node-postgres says without a code (pg 8, `client.js`; pg-pool 3, `index.js`), and the system's code for that. */
const WITHOUT_CODE: readonly (readonly [pattern: RegExp, code: string])[] = [
  [/^(timeout exceeded when trying to connect|timeout expired|Connection terminated due to)/, "ETIMEDOUT"],
  [/^(Connection terminated|Client (has encountered a connection error|was closed))/, "ECONNRESET"],
];

/** The same error where it is a bug of ours, such as wrong SQL. */
export function storeFailure(error: unknown, { name, isDiskFull }: StorePlace): unknown {
  if (error instanceof StoreFailure || !(error instanceof Error)) return error;
  const code = codeOf(error);
  const found = KINDS.find(([pattern]) => pattern.test(code));
  if (found === undefined) return error;
  const isFull = MAYBE_FULL.test(code) && isDiskFull?.() === true;
  const [kind, message]: readonly [StoreFailureKind, string] = isFull ? ["full", FULL] : [found[1], found[2]];
  // Neither store's messages carry passwords or parameters; PostgreSQL keeps the latter in fields of their own.
  return new StoreFailure(kind, `the database ${name} ${message} (${error.message || code})`, error);
}

function codeOf(error: Error): string {
  if ("code" in error && typeof error.code === "string") return error.code;
  return WITHOUT_CODE.find(([pattern]) => pattern.test(error.message))?.[1] ?? "";
}
