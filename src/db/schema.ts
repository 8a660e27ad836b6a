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
  model_limits: ModelLimitRow;
  limit_seconds: LimitSecondRow;
  nodes: NodeRow;
  reservations: ReservationRow;
  usage_records: UsageRecordRow;
  usage_hours: UsageHourRow;
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

/** Bounds of a workspace for all models together whose names fit the pattern, and what is taken of them. */
export interface ModelLimitRow {
  id: string;
  workspace_id: string;
  /** Unique in its workspace. */
  pattern: string;
  requests_per_minute: number | null;
  tokens_per_minute: number | null;
  concurrent_requests: number | null;
  /** Per calendar month, UTC. */
  monthly_tokens: number | null;
  /** 1: a sixtieth of what a minute may have is the most that a second may. */
  is_smoothed: 0 | 1;
  created_at_ms: number;
  changed_at_ms: number;
  /** Reservations that hold this limit, and the tokens that they may still use. */
  running: number;
  reserved_tokens: number;
  /** The latest month that was counted, 12 × year + month from 0, and its tokens. */
  month: number;
  month_tokens: number;
}

/** What one second counts in the last minute of a limit. */
export interface LimitSecondRow {
  limit_id: string;
  /** Epoch seconds. */
  second: number;
  requests: number;
  tokens: number;
}

/** A server process that is running, or was when it was last seen. */
export interface NodeRow {
  id: string;
  /** Where its process id means something. */
  place: string;
  process_id: number;
  started_at_ms: number;
  seen_at_ms: number;
}

/** A request that is running, with what is charged for it should its node crash. */
export interface ReservationRow {
  /** Of the request. */
  id: string;
  node_id: string;
  workspace_id: string;
  /** Null: no key was needed. */
  key_id: string | null;
  /** As the caller spelt it. */
  model: string;
  protocol: string;
  started_at_ms: number;
  /** When the counts were written. */
  seen_at_ms: number;
  /** 0 until the engine has accepted the request. */
  prompt_tokens: number;
  completion_tokens: number;
  /** What it may still use of the limits it holds. */
  reserved_tokens: number;
  /** JSON array: the limits it holds. */
  limit_ids: string;
}

/** One request that was admitted, once it is over. */
export interface UsageRecordRow {
  /** Of the request. */
  id: string;
  node_id: string;
  workspace_id: string;
  /** Null: no key was needed. */
  key_id: string | null;
  model: string;
  protocol: string;
  started_at_ms: number;
  ended_at_ms: number;
  prompt_tokens: number;
  /** Null: the engine did not say. */
  cached_prompt_tokens: number | null;
  completion_tokens: number;
  /** `ok`, `partial`, `crashed`, or why it ended early. */
  outcome: string;
  /** 1: the engine did not get to say what was used; these are the tokens that were seen. */
  is_estimate: 0 | 1;
}

/** Sums of the usage records that ended within one hour. */
export interface UsageHourRow {
  /** Epoch milliseconds of its beginning. */
  hour_ms: number;
  workspace_id: string;
  /** Empty: no key was needed. */
  key_id: string;
  model: string;
  requests: number;
  estimates: number;
  prompt_tokens: number;
  cached_prompt_tokens: number;
  completion_tokens: number;
}
