import type { Store } from "../db/schema.ts";

/** One change that somebody made. */
export interface AuditRecord {
  readonly atMs: number;
  readonly actor: string;
  /** Such as `keys.create`. */
  readonly action: string;
  readonly workspaceId: string;
  readonly subject: string;
  readonly detail: unknown;
}

/** The last changes, the newest first. */
export async function listAuditRecords(store: Store, limit: number): Promise<readonly AuditRecord[]> {
  const rows = await store
    .selectFrom("audit_records")
    .selectAll()
    .orderBy("at_ms", "desc")
    .orderBy("id", "desc")
    .limit(limit)
    .execute();
  return rows.map(({ at_ms, actor, action, workspace_id, subject, detail }) => ({
    atMs: at_ms,
    actor,
    action,
    workspaceId: workspace_id,
    subject,
    detail: JSON.parse(detail) as unknown,
  }));
}
