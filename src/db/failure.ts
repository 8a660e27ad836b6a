/** What a store says, in words that are the same for both. */

/**
 * `unique`: such a row is there already. `missing`: a row that is referred to is not. `busy`: others kept the store
 * from us for too long. `unavailable`: it cannot be reached or used.
 */
export type StoreFailureKind = "unique" | "missing" | "busy" | "unavailable";

/** A query failed for a reason that lies in the data or the surroundings, not in the query. */
export class StoreFailure extends Error {
  override readonly name = "StoreFailure";
  readonly kind: StoreFailureKind;

  constructor(kind: StoreFailureKind, message: string, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
  }
}

/** SQLite's names of its codes, PostgreSQL's classes and codes, and the system's. */
const KINDS: readonly (readonly [pattern: RegExp, kind: StoreFailureKind, message: string])[] = [
  [/^(SQLITE_CONSTRAINT_(UNIQUE|PRIMARYKEY)|23505)$/, "unique", "there is such a row already"],
  [/^(SQLITE_CONSTRAINT_FOREIGNKEY|23503)$/, "missing", "a row that is referred to is not there"],
  [/^(SQLITE_(BUSY|LOCKED)\w*|40001|40P01|55P03)$/, "busy", "the database is busy with others for too long; try again"],
  [
    /^(SQLITE_(NOTADB|CORRUPT|CANTOPEN|READONLY|FULL|IOERR|PERM|AUTH)\w*|08\w{3}|28\w{3}|3D000|42501|53\w{3}|57P\d\d|E[A-Z]+)$/,
    "unavailable",
    "the database cannot be used; check that it is there, and what `database` in the configuration says",
  ],
];

/** What node-postgres says without a code (pg 8, `client.js`; pg-pool 3, `index.js`), and the system's code for that. */
const WITHOUT_CODE: readonly (readonly [pattern: RegExp, code: string])[] = [
  [/^(timeout exceeded when trying to connect|timeout expired|Connection terminated due to)/, "ETIMEDOUT"],
  [/^(Connection terminated|Client (has encountered a connection error|was closed))/, "ECONNRESET"],
];

/** The same error where it is a bug of ours, such as wrong SQL. */
export function storeFailure(error: unknown): unknown {
  if (error instanceof StoreFailure || !(error instanceof Error)) return error;
  const code = codeOf(error);
  const found = KINDS.find(([pattern]) => pattern.test(code));
  if (found === undefined) return error;
  const [, kind, message] = found;
  // Neither store's messages carry passwords or parameters; PostgreSQL keeps the latter in fields of their own.
  return new StoreFailure(kind, `${message}: ${error.message || code}`, error);
}

function codeOf(error: Error): string {
  if ("code" in error && typeof error.code === "string") return error.code;
  return WITHOUT_CODE.find(([pattern]) => pattern.test(error.message))?.[1] ?? "";
}
