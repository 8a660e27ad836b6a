/**
 * The rows of running requests. A row is there from admission until the request is in the account of usage; should its
 * node crash in between, it says what to charge. Rows are taken before limits, and these in the order of their ids, so
 * that transactions never wait for each other in a circle.
 */
import { sql, type Transaction } from "kysely";
import type { ReservationRow, Store, Tables, UsageRecordRow } from "../db/schema.ts";
import { writeRecords } from "./ledger.ts";
import { book, takeRequest, uncountRequest } from "./windows.ts";

/** How a request ended, and what it used. */
export interface Ending {
  readonly endedAtMs: number;
  readonly promptTokens: number;
  /** Absent: the engine did not say. */
  readonly cachedPromptTokens?: number;
  readonly completionTokens: number;
  /** `ok`, `partial`, `crashed`, or why it ended early. */
  readonly outcome: string;
  readonly isEstimate: boolean;
}

/** Counts of a running request: as they are in its row, and as they have become. */
export interface Progress {
  readonly id: string;
  readonly limitIds: readonly string[];
  readonly written: Counts;
  readonly now: Counts;
}

export interface Counts {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** What it may still use. */
  readonly reservedTokens: number;
}

/** Admits requests that no limit bounds, one at least. */
export async function insertUnlimited(store: Store, rows: readonly ReservationRow[]): Promise<void> {
  await store.insertInto("reservations").values(rows).execute();
}

/**
 * Admits a request: takes it from every limit and makes its row, or, when one of them has nothing left, changes nothing
 * and throws `ServiceError`.
 *
 * @param row with the limits that it is to hold; `seen_at_ms` is the moment that counts for them.
 * @returns the limits that it holds.
 */
export function insertReservation(store: Store, row: ReservationRow): Promise<readonly string[]> {
  return store.transaction().execute(async (transaction) => {
    const held: string[] = [];
    for (const limitId of heldBy(row)) {
      const isThere = await takeRequest(transaction, limitId, row.reserved_tokens, row.seen_at_ms);
      if (isThere) held.push(limitId);
    }
    await transaction
      .insertInto("reservations")
      .values({ ...row, limit_ids: JSON.stringify(held) })
      .execute();
    return held;
  });
}

/** Writes counts into the rows that are still there, and books them on the limits that these hold. */
export async function checkpoint(store: Store, running: readonly Progress[], nowMs: number): Promise<void> {
  if (running.length === 0) return;
  if (running.every(({ limitIds }) => limitIds.length === 0)) {
    await writeCounts(store, running, nowMs);
    return;
  }
  await store.transaction().execute(async (transaction) => {
    const written = new Set(await writeCounts(transaction, running, nowMs));
    const booked = new Map<string, { reservedTokens: number; usedTokens: number }>();
    for (const { id, limitIds, written: before, now } of running) {
      for (const limitId of written.has(id) ? limitIds : []) {
        const sum = booked.get(limitId) ?? { reservedTokens: 0, usedTokens: 0 };
        sum.reservedTokens += now.reservedTokens - before.reservedTokens;
        sum.usedTokens += usedOf(now) - usedOf(before);
        booked.set(limitId, sum);
      }
    }
    for (const limitId of [...booked.keys()].sort()) {
      const sum = booked.get(limitId) ?? { reservedTokens: 0, usedTokens: 0 };
      await book(transaction, { limitId, running: 0, ...sum }, nowMs);
    }
  });
}

/**
 * Turns rows into records of usage and gives back what they have not used: all of them, or none.
 *
 * @param ids each once.
 * @param endingOf how it ended, given the row as it is.
 * @returns ids of the rows that were there. The other requests have been recorded before.
 */
export function settle(
  store: Store,
  ids: readonly string[],
  endingOf: (row: ReservationRow) => Ending,
): Promise<ReadonlySet<string>> {
  return store.transaction().execute(async (transaction) => {
    const rows = await takeRows(transaction, ids);
    if (rows.length === 0) return new Set<string>();
    const ended = rows.map((row) => ({ row, ending: endingOf(row) }));
    const releases = ended.flatMap(({ row, ending }) =>
      heldBy(row).map((limitId) => ({ limitId, row, usedTokens: usedOf(ending) - usedOf(countsOf(row)), ending })),
    );
    releases.sort((a, b) => (a.limitId === b.limitId ? 0 : a.limitId < b.limitId ? -1 : 1));
    for (const { limitId, row, usedTokens, ending } of releases) {
      await release(transaction, limitId, row, usedTokens, ending.endedAtMs);
    }
    await writeRecords(
      transaction,
      ended.map(({ row, ending }) => recordOf(row, ending)),
    );
    return new Set(rows.map(({ id }) => id));
  });
}

function recordOf(row: ReservationRow, ending: Ending): UsageRecordRow {
  return {
    id: row.id,
    node_id: row.node_id,
    workspace_id: row.workspace_id,
    key_id: row.key_id,
    model: row.model,
    protocol: row.protocol,
    started_at_ms: row.started_at_ms,
    ended_at_ms: ending.endedAtMs,
    prompt_tokens: ending.promptTokens,
    cached_prompt_tokens: ending.cachedPromptTokens ?? null,
    completion_tokens: ending.completionTokens,
    outcome: ending.outcome,
    is_estimate: ending.isEstimate ? 1 : 0,
  };
}

/** Takes everything back, as if the request had never come. @param admittedAtMs when it was taken from its limits. */
export async function cancel(store: Store, id: string, admittedAtMs: number): Promise<void> {
  await store.transaction().execute(async (transaction) => {
    const [row] = await takeRows(transaction, [id]);
    if (row === undefined) return;
    for (const limitId of heldBy(row)) await release(transaction, limitId, row, -usedOf(countsOf(row)), admittedAtMs);
    for (const limitId of heldBy(row)) await uncountRequest(transaction, limitId, admittedAtMs);
  });
}

/** Ids of the rows that were there. */
async function writeCounts(
  store: Store | Transaction<Tables>,
  running: readonly Progress[],
  nowMs: number,
): Promise<readonly string[]> {
  // One statement for all: the columns of a list of values have these names on both databases.
  const values = running.map(
    ({ id, now }) => sql`(${id}, cast(${now.promptTokens} as bigint), cast(${now.completionTokens} as bigint),
      cast(${now.reservedTokens} as bigint))`,
  );
  const { rows } = await sql<{ readonly id: string }>`
    update reservations
    set prompt_tokens = counted.column2, completion_tokens = counted.column3, reserved_tokens = counted.column4,
      seen_at_ms = ${nowMs}
    from (values ${sql.join(values)}) as counted
    where reservations.id = counted.column1
    returning reservations.id`.execute(store);
  return rows.map(({ id }) => id);
}

/** Those that are there. Whoever deletes a row is the one who records the request. */
function takeRows(transaction: Transaction<Tables>, ids: readonly string[]): Promise<readonly ReservationRow[]> {
  return transaction.deleteFrom("reservations").where("id", "in", ids).returningAll().execute();
}

async function release(
  transaction: Transaction<Tables>,
  limitId: string,
  row: ReservationRow,
  usedTokens: number,
  nowMs: number,
): Promise<void> {
  await book(transaction, { limitId, running: -1, reservedTokens: -row.reserved_tokens, usedTokens }, nowMs);
}

/** In the order of their ids. */
function heldBy(row: ReservationRow): readonly string[] {
  return JSON.parse(row.limit_ids) as readonly string[];
}

function countsOf(row: ReservationRow): Pick<Counts, "promptTokens" | "completionTokens"> {
  return { promptTokens: row.prompt_tokens, completionTokens: row.completion_tokens };
}

function usedOf({ promptTokens, completionTokens }: Pick<Counts, "promptTokens" | "completionTokens">): number {
  return promptTokens + completionTokens;
}
