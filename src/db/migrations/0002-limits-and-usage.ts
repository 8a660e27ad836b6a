import type { Kysely } from "kysely";

/** Limits with what is used of them, reservations of running requests, and the account of usage. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await createLimits(db);
  await createReservations(db);
  await createUsage(db);
}

async function createLimits(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("model_limits")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("workspace_id", "text", (column) => column.notNull().references("workspaces.id"))
    .addColumn("pattern", "text", (column) => column.notNull())
    .addColumn("requests_per_minute", "bigint")
    .addColumn("tokens_per_minute", "bigint")
    .addColumn("concurrent_requests", "bigint")
    .addColumn("monthly_tokens", "bigint")
    .addColumn("is_smoothed", "integer", (column) => column.notNull())
    .addColumn("created_at_ms", "bigint", (column) => column.notNull())
    .addColumn("changed_at_ms", "bigint", (column) => column.notNull())
    .addColumn("running", "bigint", (column) => column.notNull())
    .addColumn("reserved_tokens", "bigint", (column) => column.notNull())
    .addColumn("month", "integer", (column) => column.notNull())
    .addColumn("month_tokens", "bigint", (column) => column.notNull())
    .addUniqueConstraint("model_limits_models", ["workspace_id", "pattern"])
    .execute();
  await db.schema
    .createTable("limit_seconds")
    .addColumn("limit_id", "text", (column) => column.notNull())
    .addColumn("second", "bigint", (column) => column.notNull())
    .addColumn("requests", "bigint", (column) => column.notNull())
    .addColumn("tokens", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("limit_seconds_pk", ["limit_id", "second"])
    .execute();
}

async function createReservations(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("nodes")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("place", "text", (column) => column.notNull())
    .addColumn("process_id", "bigint", (column) => column.notNull())
    .addColumn("started_at_ms", "bigint", (column) => column.notNull())
    .addColumn("seen_at_ms", "bigint", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("reservations")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("node_id", "text", (column) => column.notNull())
    .addColumn("workspace_id", "text", (column) => column.notNull())
    .addColumn("key_id", "text")
    .addColumn("model", "text", (column) => column.notNull())
    .addColumn("protocol", "text", (column) => column.notNull())
    .addColumn("started_at_ms", "bigint", (column) => column.notNull())
    .addColumn("seen_at_ms", "bigint", (column) => column.notNull())
    .addColumn("prompt_tokens", "bigint", (column) => column.notNull())
    .addColumn("completion_tokens", "bigint", (column) => column.notNull())
    .addColumn("reserved_tokens", "bigint", (column) => column.notNull())
    .addColumn("limit_ids", "text", (column) => column.notNull())
    .execute();
}

async function createUsage(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("usage_records")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("node_id", "text", (column) => column.notNull())
    .addColumn("workspace_id", "text", (column) => column.notNull())
    .addColumn("key_id", "text")
    .addColumn("model", "text", (column) => column.notNull())
    .addColumn("protocol", "text", (column) => column.notNull())
    .addColumn("started_at_ms", "bigint", (column) => column.notNull())
    .addColumn("ended_at_ms", "bigint", (column) => column.notNull())
    .addColumn("prompt_tokens", "bigint", (column) => column.notNull())
    .addColumn("cached_prompt_tokens", "bigint")
    .addColumn("completion_tokens", "bigint", (column) => column.notNull())
    .addColumn("outcome", "text", (column) => column.notNull())
    .addColumn("is_estimate", "integer", (column) => column.notNull())
    .execute();
  await db.schema.createIndex("usage_records_time").on("usage_records").column("ended_at_ms").execute();
  await db.schema
    .createTable("usage_hours")
    .addColumn("hour_ms", "bigint", (column) => column.notNull())
    .addColumn("workspace_id", "text", (column) => column.notNull())
    .addColumn("key_id", "text", (column) => column.notNull())
    .addColumn("model", "text", (column) => column.notNull())
    .addColumn("requests", "bigint", (column) => column.notNull())
    .addColumn("estimates", "bigint", (column) => column.notNull())
    .addColumn("prompt_tokens", "bigint", (column) => column.notNull())
    .addColumn("cached_prompt_tokens", "bigint", (column) => column.notNull())
    .addColumn("completion_tokens", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("usage_hours_pk", ["hour_ms", "workspace_id", "key_id", "model"])
    .execute();
}
