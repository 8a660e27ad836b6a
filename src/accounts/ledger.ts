import { sql, type Transaction } from "kysely";
import type { Tables, UsageRecordRow } from "../db/schema.ts";
import { hourStartMs } from "./calendar.ts";

/** Writes what became of a request, and adds it to its hour. Throws `StoreFailure` when it has been written before. */
export async function writeRecord(transaction: Transaction<Tables>, record: UsageRecordRow): Promise<void> {
  await transaction.insertInto("usage_records").values(record).execute();
  await transaction
    .insertInto("usage_hours")
    .values({
      hour_ms: hourStartMs(record.ended_at_ms),
      workspace_id: record.workspace_id,
      key_id: record.key_id ?? "",
      model: record.model,
      requests: 1,
      estimates: record.is_estimate,
      prompt_tokens: record.prompt_tokens,
      cached_prompt_tokens: record.cached_prompt_tokens ?? 0,
      completion_tokens: record.completion_tokens,
    })
    .onConflict((conflict) =>
      conflict.columns(["hour_ms", "workspace_id", "key_id", "model"]).doUpdateSet({
        requests: sql<number>`usage_hours.requests + 1`,
        estimates: sql<number>`usage_hours.estimates + excluded.estimates`,
        prompt_tokens: sql<number>`usage_hours.prompt_tokens + excluded.prompt_tokens`,
        cached_prompt_tokens: sql<number>`usage_hours.cached_prompt_tokens + excluded.cached_prompt_tokens`,
        completion_tokens: sql<number>`usage_hours.completion_tokens + excluded.completion_tokens`,
      }),
    )
    .execute();
}
