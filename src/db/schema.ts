/**
 * The tables, as both stores have them: text ids, integers (instants are epoch milliseconds), JSON as text. What is
 * absent is null.
 */
import type { Kysely } from "kysely";

export interface Tables {
  workspaces: WorkspaceRow;
  api_keys: ApiKeyRow;
  model_grants: ModelGrantRow;
  audit_records: AuditRecordRow;
}

/** A connection to a store whose tables are there. Its queries fail with `StoreFailure` (`failure.ts`). */
export type Store = Kysely<Tables>;

export interface WorkspaceRow {
  id: string;
  /** Unique. */
  name: string;
  created_at_ms: number;
  /** Every change within the workspace writes it first, so that two changes of one workspace wait for each other. */
  changed_at_ms: number;
  /** Set: the workspace is gone, and its name is its id; the row stays for the sake of what was recorded about it. */
  deleted_at_ms: number | null;
}

export interface ApiKeyRow {
  id: string;
  workspace_id: string;
  label: string | null;
  /** SHA-256 of the key, in hex; unique. */
  digest: string;
  /** The key's last characters, to tell it from others. */
  ending: string;
  created_at_ms: number;
  expires_at_ms: number | null;
  disabled_at_ms: number | null;
  /** Set: the key is gone; the row stays for the sake of what was recorded about it. */
  deleted_at_ms: number | null;
  last_used_at_ms: number | null;
}

/** A workspace may call the models whose names fit the pattern. */
export interface ModelGrantRow {
  workspace_id: string;
  pattern: string;
  created_at_ms: number;
}

/** One change that somebody made. */
export interface AuditRecordRow {
  id: string;
  at_ms: number;
  actor: string;
  /** Such as `keys.create`. */
  action: string;
  workspace_id: string;
  /** What was changed, such as the id of a key. */
  subject: string;
  /** A JSON object with what else there is to say; never a key. */
  detail: string;
}
