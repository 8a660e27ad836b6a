import { type Dialect, PostgresDialect } from "kysely";
import pg from "pg";

/** Connections of one node at the same time; PostgreSQL allows 100 for all nodes unless it is told otherwise. */
const MAX_CONNECTIONS = 10;

/** Milliseconds to wait for a connection before a query fails. */
const CONNECT_TIMEOUT_MS = 10_000;

/** @param url `postgres://USER:PASSWORD@HOST:PORT/DATABASE` */
export function postgresDialect(url: string): Dialect {
  const pool = new pg.Pool({
    connectionString: url,
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    types: { getTypeParser },
  });
  // An idle connection that breaks is replaced by the next query, which fails itself if there is no other.
  pool.on("error", () => undefined);
  return new PostgresDialect({ pool });
}

/** Integers of 64 bits come as text otherwise; ours stay below 2^53. */
const getTypeParser: typeof pg.types.getTypeParser = (oid: number, format?: "text" | "binary") =>
  oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, format as "text");
