/** Whether an account of usage adds up, whatever happened to the nodes that kept it. */
import { sql } from "kysely";
import type { Store, UsageRecordRow } from "../../src/db/schema.ts";
import { expectThat } from "./tally.ts";

/** Throws an Error with what does not add up; nothing may be running. Returns every record by its id. */
export async function checkAccount(store: Store): Promise<ReadonlyMap<string, UsageRecordRow>> {
  const records = await store.selectFrom("usage_records").selectAll().execute();
  const hours = await store.selectFrom("usage_hours").selectAll().execute();
  const limits = await store.selectFrom("model_limits").selectAll().execute();
  const sum = <Row>(rows: readonly Row[], figure: (row: Row) => number | null): number =>
    rows.reduce((total, row) => total + (figure(row) ?? 0), 0);
  const figures = (row: Pick<UsageRecordRow, "prompt_tokens" | "cached_prompt_tokens" | "completion_tokens">) =>
    [row.prompt_tokens, row.cached_prompt_tokens, row.completion_tokens] as const;
  expectThat(sum(hours, ({ requests }) => requests) === records.length, "the hours have another number of requests");
  for (const index of [0, 1, 2] as const) {
    const kept = sum(hours, (row) => figures(row)[index]);
    const used = sum(records, (row) => figures(row)[index]);
    expectThat(kept === used, `the hours say ${kept}, the records ${used} tokens (figure ${index})`);
  }
  for (const { pattern, running, reserved_tokens, month_tokens } of limits) {
    expectThat(running === 0, `the limit for ${pattern} still has ${running} running requests`);
    expectThat(reserved_tokens === 0, `the limit for ${pattern} still has ${reserved_tokens} reserved tokens`);
    const used = sum(records, (row) => row.prompt_tokens + row.completion_tokens);
    if (pattern === "*") expectThat(month_tokens === used, `the limit has ${month_tokens}, the records ${used} tokens`);
  }
  return new Map(records.map((record) => [record.id, record]));
}

/** SQLite's own check of the whole file. */
export async function checkFile(store: Store): Promise<void> {
  const { rows } = await sql<{ readonly integrity_check: string }>`pragma integrity_check`.execute(store);
  expectThat(rows[0]?.integrity_check === "ok", `the integrity check says ${JSON.stringify(rows)}`);
}
