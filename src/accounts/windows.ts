/** What is taken of limits. Everything here runs in a transaction of its caller, who takes limits in the order of their ids. */
import { sql, type Transaction } from "kysely";
import type { ModelLimitRow, Tables } from "../db/schema.ts";
import { ServiceError } from "../errors.ts";
import { monthOf } from "./calendar.ts";

/**
 * Seconds whose counts make up the last minute. The present one has only begun, so it takes one more than sixty for no
 * minute to have more than its limit, wherever it begins.
 */
const WINDOW_SECONDS = 61;

/** Nobody knows when one of the running requests will end. */
const RUNNING_RETRY_MS = 1_000;

/** A change of what is taken of one limit. */
export interface Taking {
  readonly limitId: string;
  /** Running requests more or, negative, fewer. */
  readonly running: number;
  /** Tokens that may still be used. */
  readonly reservedTokens: number;
  /** Tokens that were used. */
  readonly usedTokens: number;
}

/**
 * Takes one request and a reservation of tokens from a limit. Throws `ServiceError` when nothing of it is left; the
 * transaction must then be rolled back, whatever it has taken from other limits.
 *
 * A request may start while its window is not exhausted (docs/wire.md 7.5), its own tokens not counted; those reserved for
 * the ones that are running are.
 *
 * @returns false: the limit has been removed.
 */
export async function takeRequest(
  transaction: Transaction<Tables>,
  limitId: string,
  reservedTokens: number,
  nowMs: number,
): Promise<boolean> {
  // The row stays locked until the end of the transaction, so nobody else counts at the same time.
  const limit = await take(transaction, { limitId, running: 1, reservedTokens, usedTokens: 0 }, nowMs);
  if (limit === undefined) return false;
  const second = secondOf(nowMs);
  if (limit.requests_per_minute !== null || limit.tokens_per_minute !== null) {
    checkMinute(limit, reservedTokens, await minuteOf(transaction, limitId, second), second);
  }
  const { concurrent_requests, monthly_tokens, month_tokens } = limit;
  if (concurrent_requests !== null && limit.running > concurrent_requests) {
    throw refusal("concurrency_exceeded", RUNNING_RETRY_MS);
  }
  const othersReserved = limit.reserved_tokens - reservedTokens;
  if (monthly_tokens !== null && month_tokens + othersReserved >= monthly_tokens) throw refusal("budget_exceeded");
  await count(transaction, limitId, second, 1, 0);
  return true;
}

/** Books tokens and gives back what was reserved. A limit that has been removed is passed over. */
export async function book(transaction: Transaction<Tables>, taking: Taking, nowMs: number): Promise<void> {
  const limit = await take(transaction, taking, nowMs);
  if (limit === undefined || taking.usedTokens === 0) return;
  await count(transaction, taking.limitId, secondOf(nowMs), 0, taking.usedTokens);
}

/** Takes back the count of a request that was not admitted after all. @param atMs when it was counted. */
export async function uncountRequest(transaction: Transaction<Tables>, limitId: string, atMs: number): Promise<void> {
  await transaction
    .updateTable("limit_seconds")
    .set((row) => ({ requests: row("requests", "-", 1) }))
    .where("limit_id", "=", limitId)
    .where("second", "=", secondOf(atMs))
    .execute();
}

/** The oldest second that still counts. */
export function oldestSecond(nowMs: number): number {
  return secondOf(nowMs) - WINDOW_SECONDS + 1;
}

function secondOf(epochMs: number): number {
  return Math.floor(epochMs / 1000);
}

/** The row as it is then; undefined: the limit has been removed. */
function take(
  transaction: Transaction<Tables>,
  { limitId, running, reservedTokens, usedTokens }: Taking,
  nowMs: number,
): Promise<ModelLimitRow | undefined> {
  const month = monthOf(nowMs);
  return transaction
    .updateTable("model_limits")
    .set((row) => ({
      running: row("running", "+", running),
      reserved_tokens: row("reserved_tokens", "+", reservedTokens),
      month: sql<number>`case when month < ${month} then ${month} else month end`,
      month_tokens: sql<number>`case when month < ${month} then 0 else month_tokens end + ${usedTokens}`,
    }))
    .where("id", "=", limitId)
    .returningAll()
    .executeTakeFirst();
}

async function count(
  transaction: Transaction<Tables>,
  limitId: string,
  second: number,
  requests: number,
  tokens: number,
): Promise<void> {
  await transaction
    .insertInto("limit_seconds")
    .values({ limit_id: limitId, second, requests, tokens })
    .onConflict((conflict) =>
      conflict.columns(["limit_id", "second"]).doUpdateSet({
        requests: sql<number>`limit_seconds.requests + excluded.requests`,
        tokens: sql<number>`limit_seconds.tokens + excluded.tokens`,
      }),
    )
    .execute();
}

interface Minute {
  readonly requests: number;
  readonly tokens: number;
  /** Of the present second. */
  readonly secondRequests: number;
  readonly secondTokens: number;
  /** The oldest second with a count. */
  readonly oldest: number;
}

async function minuteOf(transaction: Transaction<Tables>, limitId: string, second: number): Promise<Minute> {
  const present = sql`case when second = ${second} then 1 else 0 end`;
  const { rows } = await sql<Minute>`
    select
      cast(coalesce(sum(requests), 0) as bigint) as "requests",
      cast(coalesce(sum(tokens), 0) as bigint) as "tokens",
      cast(coalesce(sum(requests * ${present}), 0) as bigint) as "secondRequests",
      cast(coalesce(sum(tokens * ${present}), 0) as bigint) as "secondTokens",
      coalesce(min(second), ${second}) as "oldest"
    from limit_seconds
    where limit_id = ${limitId} and second > ${second - WINDOW_SECONDS}`.execute(transaction);
  const [minute] = rows;
  if (minute === undefined) throw new Error("sums of no rows are still a row");
  return minute;
}

function checkMinute(limit: ModelLimitRow, ownReserved: number, minute: Minute, second: number): void {
  const { requests_per_minute, tokens_per_minute, is_smoothed } = limit;
  const minuteRetryMs = (minute.oldest + WINDOW_SECONDS - second) * 1000;
  const perSecond = (figure: number): number => Math.ceil(figure / 60);
  if (requests_per_minute !== null) {
    if (minute.requests >= requests_per_minute) throw refusal("request_rate_exceeded", minuteRetryMs);
    if (is_smoothed === 1 && minute.secondRequests >= perSecond(requests_per_minute)) {
      throw refusal("request_rate_exceeded", 1_000);
    }
  }
  if (tokens_per_minute !== null) {
    const reserved = limit.reserved_tokens - ownReserved;
    if (minute.tokens >= tokens_per_minute) throw refusal("token_rate_exceeded", minuteRetryMs);
    // What the running requests do not use comes back with the end of each.
    if (minute.tokens + reserved >= tokens_per_minute) throw refusal("token_rate_exceeded", RUNNING_RETRY_MS);
    if (is_smoothed === 1 && minute.secondTokens >= perSecond(tokens_per_minute)) {
      throw refusal("token_rate_exceeded", 1_000);
    }
  }
}

/** The protocols have the words that callers read; these are for logs. */
const REASONS = {
  request_rate_exceeded: "the workspace has used up its requests per minute for this model",
  token_rate_exceeded: "the workspace has used up its tokens per minute for this model",
  concurrency_exceeded: "the workspace has as many requests running as it may for this model",
  budget_exceeded: "the workspace has used up its tokens of this month for this model",
} as const;

function refusal(code: keyof typeof REASONS, retryAfterMs?: number): ServiceError {
  return new ServiceError(code, REASONS[code], retryAfterMs === undefined ? {} : { retryAfterMs });
}
