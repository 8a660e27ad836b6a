import type { Kysely } from "kysely";

/** Workspaces can be deleted. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable("workspaces").addColumn("deleted_at_ms", "bigint").execute();
}
