import { sql, type Transaction } from "kysely";
import type { Tables, UsageHourRow, UsageRecordRow } from "../db/schema.ts";
import { hourStartMs } from "./calendar.ts";

/**
 * Writes what became of requests, one at least, and adds them to their hours. Throws `StoreFailure` when one of them has
 * been written before.
 */
export async function writeRecords(
  transaction: Transaction<Tables>,
  records: readonly UsageRecordRow[],
): Promise<void> {
  await transaction.insertInto("usage_records").values(records).execute();
  await transaction
    .insertInto("usage_hours")
    .values(hoursOf(records))
    .onConflict((conflict) =>
      conflict.columns(["hour_ms", "workspace_id", "key_id", "model"]).doUpdateSet({
        requests: sql<number>`usage_hours.requests + excluded.requests`,
        estimates: sql<number>`usage_hours.estimates + excluded.estimates`,
        prompt_tokens: sql<number>`usage_hours.prompt_tokens + excluded.prompt_tokens`,
        cached_prompt_tokens: sql<number>`usage_hours.cached_prompt_tokens + excluded.cached_prompt_tokens`,
        completion_tokens: sql<number>`usage_hours.completion_tokens + excluded.completion_tokens`,
      }),
    )
    .execute();
}

/** Sums of the records, each row once, in an order that is the same for all who write. */
function hoursOf(records: readonly UsageRecordRow[]): readonly UsageHourRow[] {
  const hours = new Map<string, UsageHourRow>();
  for (const record of records) {
    const place = {
      hour_ms: hourStartMs(record.ended_at_ms),
      workspace_id: record.workspace_id,
      key_id: record.key_id ?? "",
      model: record.model,
    };
    const name = JSON.stringify(Object.values(place));
    const sum = hours.get(name);
    hours.set(name, {
      ...place,
      requests: (sum?.requests ?? 0) + 1,
      estimates: (sum?.estimates ?? 0) + record.is_estimate,
      prompt_tokens: (sum?.prompt_tokens ?? 0) + record.prompt_tokens,
      cached_prompt_tokens: (sum?.cached_prompt_tokens ?? 0) + (record.cached_prompt_tokens ?? 0),
      completion_tokens: (sum?.completion_tokens ?? 0) + record.completion_tokens,
    });
  }
  return [...hours].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, sum]) => sum);
}
