import type { ModelLimitRow } from "../db/schema.ts";
import { type Administrator, type Change, changeWorkspace } from "./administration.ts";
import { monthOf, monthStartMs } from "./calendar.ts";
import { AccountFailure } from "./failure.ts";
import { fits, isPattern } from "./pattern.ts";
import { newId } from "./secret.ts";
import { findWorkspace } from "./workspaces.ts";

/** What a limit bounds; null: it does not. All but `smoothed` are integers from 1 to `MAX_FIGURE`. */
export interface LimitFigures {
  readonly requestsPerMinute: number | null;
  /** Prompt and completion together. */
  readonly tokensPerMinute: number | null;
  readonly concurrentRequests: number | null;
  /** Per calendar month, UTC. */
  readonly monthlyTokens: number | null;
  /** Of requests and tokens per minute, a sixtieth is the most that one second may have. */
  readonly smoothed: boolean;
}

/** Bounds of a workspace for all models together whose names fit the pattern. */
export interface ModelLimit extends LimitFigures {
  readonly id: string;
  readonly workspaceId: string;
  /** Name of the workspace. */
  readonly workspace: string;
  readonly pattern: string;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
  /** Requests that are running now. */
  readonly running: number;
  /** Tokens of this month so far. */
  readonly tokensThisMonth: number;
}

/** `set`: figures that are absent stay as they are, those of a new limit null. `remove`: it must be there. */
export type LimitChange =
  | { readonly pattern: string; readonly set: Partial<LimitFigures> }
  | { readonly pattern: string; readonly remove: true };

/** Beyond any use, and far enough below 2^53 that sums stay exact. */
export const MAX_FIGURE = 1_000_000_000_000;

/**
 * Makes all of the changes or none, in their order.
 *
 * Throws `AccountFailure` of the kind `usage` when a pattern or a figure is out of bounds or a limit would bound nothing,
 * of the kind `missing` when one that is to be removed is not there.
 *
 * @param workspace its name or id.
 */
export async function changeLimits(
  administrator: Administrator,
  workspace: string,
  changes: readonly LimitChange[],
): Promise<void> {
  for (const change of changes) check(change);
  const { id, name } = await findWorkspace(administrator.store, workspace);
  await changeWorkspace(administrator, id, async (change) => {
    for (const each of changes) {
      if ("remove" in each) await remove(change, id, name, each.pattern);
      else await set(change, id, each.pattern, each.set);
    }
  });
}

/** By workspace and pattern. @param workspace name or id of the only one to list. */
export async function listLimits(
  { store, now }: Pick<Administrator, "store" | "now">,
  workspace?: string,
): Promise<readonly ModelLimit[]> {
  const id = workspace === undefined ? undefined : (await findWorkspace(store, workspace)).id;
  const rows = await store
    .selectFrom("model_limits")
    .innerJoin("workspaces", "workspaces.id", "model_limits.workspace_id")
    .selectAll("model_limits")
    .select("workspaces.name")
    .$if(id !== undefined, (query) => query.where("workspace_id", "=", id ?? ""))
    .orderBy("name")
    .orderBy("pattern")
    .execute();
  return rows.map((row) => limitOf(row, row.name, now()));
}

/** Whole figures of a row. */
function figuresOf(row: ModelLimitRow): LimitFigures {
  return {
    requestsPerMinute: row.requests_per_minute,
    tokensPerMinute: row.tokens_per_minute,
    concurrentRequests: row.concurrent_requests,
    monthlyTokens: row.monthly_tokens,
    smoothed: row.is_smoothed === 1,
  };
}

function limitOf(row: ModelLimitRow, workspace: string, nowMs: number): ModelLimit {
  return {
    id: row.id,
    workspaceId: row.workspace_id,
    workspace,
    pattern: row.pattern,
    ...figuresOf(row),
    createdAtMs: row.created_at_ms,
    changedAtMs: row.changed_at_ms,
    running: row.running,
    tokensThisMonth: row.month === monthOf(nowMs) ? row.month_tokens : 0,
  };
}

const FIGURES = ["requestsPerMinute", "tokensPerMinute", "concurrentRequests", "monthlyTokens"] as const;

function check(change: LimitChange): void {
  if (!isPattern(change.pattern)) {
    const expected = "the name of a model, or a pattern such as qwen2.5-coder-*";
    throw new AccountFailure(
      `expected ${expected}: 1 to 200 characters without blanks; found ${JSON.stringify(change.pattern)}`,
      "usage",
    );
  }
  if ("remove" in change) return;
  for (const figure of FIGURES) {
    const value = change.set[figure] ?? 1;
    if (Number.isSafeInteger(value) && value >= 1 && value <= MAX_FIGURE) continue;
    throw new AccountFailure(
      `${figure}: expected an integer from 1 to ${MAX_FIGURE}, or null for no bound; found ${value}`,
      "usage",
    );
  }
}

async function set(change: Change, workspaceId: string, pattern: string, wanted: Partial<LimitFigures>): Promise<void> {
  const { transaction, atMs, record } = change;
  const before = await transaction
    .selectFrom("model_limits")
    .selectAll()
    .where("workspace_id", "=", workspaceId)
    .where("pattern", "=", pattern)
    .executeTakeFirst();
  const figures: LimitFigures = { ...(before === undefined ? UNBOUNDED : figuresOf(before)), ...wanted };
  if (FIGURES.every((figure) => figures[figure] === null)) {
    const advice = "give it requests or tokens per minute, concurrent requests or tokens per month, or remove it";
    throw new AccountFailure(`the limit for "${pattern}" would bound nothing; ${advice}`, "usage");
  }
  const columns = {
    requests_per_minute: figures.requestsPerMinute,
    tokens_per_minute: figures.tokensPerMinute,
    concurrent_requests: figures.concurrentRequests,
    monthly_tokens: figures.monthlyTokens,
    is_smoothed: figures.smoothed ? (1 as const) : (0 as const),
    changed_at_ms: atMs,
  };
  if (before === undefined) {
    const counted = {
      running: 0,
      reserved_tokens: 0,
      month: monthOf(atMs),
      month_tokens: await tokensSince(change, workspaceId, pattern, monthStartMs(atMs)),
    };
    const named = { id: newId("lim_"), workspace_id: workspaceId, pattern, created_at_ms: atMs };
    await transaction
      .insertInto("model_limits")
      .values({ ...named, ...columns, ...counted })
      .execute();
  } else {
    await transaction.updateTable("model_limits").set(columns).where("id", "=", before.id).execute();
  }
  await record("limits.set", pattern, { ...figures });
}

const UNBOUNDED: LimitFigures = {
  requestsPerMinute: null,
  tokensPerMinute: null,
  concurrentRequests: null,
  monthlyTokens: null,
  smoothed: false,
};

/** What the account of usage says: a budget that is set in the middle of a month counts the month from its start. */
async function tokensSince(
  { transaction }: Change,
  workspaceId: string,
  pattern: string,
  startMs: number,
): Promise<number> {
  const rows = await transaction
    .selectFrom("usage_hours")
    .select(["model", "prompt_tokens", "completion_tokens"])
    .where("workspace_id", "=", workspaceId)
    .where("hour_ms", ">=", startMs)
    .execute();
  const fitting = rows.filter(({ model }) => fits(pattern, model));
  return fitting.reduce((sum, row) => sum + row.prompt_tokens + row.completion_tokens, 0);
}

async function remove(
  { transaction, record }: Change,
  workspaceId: string,
  workspace: string,
  pattern: string,
): Promise<void> {
  const removed = await transaction
    .deleteFrom("model_limits")
    .where("workspace_id", "=", workspaceId)
    .where("pattern", "=", pattern)
    .returning("id")
    .executeTakeFirst();
  if (removed === undefined) {
    const advice = "`continuo limits list` shows what is";
    throw new AccountFailure(
      `${workspace} has no limit for "${pattern}"; nothing was changed; ${advice}`,
      "missing",
      "models",
    );
  }
  await transaction.deleteFrom("limit_seconds").where("limit_id", "=", removed.id).execute();
  await record("limits.remove", pattern);
}
