/** Meters with an account of usage, looks into it, and lets nodes crash that were never a process. */
import { onTestFinished } from "vitest";
import type { Administrator } from "../../src/accounts/administration.ts";
import { changeLimits, type LimitFigures, listLimits } from "../../src/accounts/limits.ts";
import type { Admission } from "../../src/accounts/meter.ts";
import { thisNode } from "../../src/accounts/nodes.ts";
import { StoredMeter } from "../../src/accounts/stored-meter.ts";
import type { Store, UsageRecordRow } from "../../src/db/schema.ts";

/** When the clocks of metered accounts stand still first: 2026-09-21 at 14:13:50 UTC. */
export const START_MS = 1_790_000_030_000;

/** A node's meter, open but without timers: a test calls what they would. What it reports is an error. */
export async function meterOn(store: Store, now: () => number, reports: string[] = []): Promise<StoredMeter> {
  const report = (event: string, error?: unknown): void => {
    reports.push(event);
    if (error !== undefined) throw error;
  };
  const meter = new StoredMeter({ store, node: thisNode(), now, report });
  await meter.lookAround();
  onTestFinished(() => meter.close());
  return meter;
}

/** Makes what a test of the account works with: a meter on a new store with limits of the default workspace. */
export function meteredAccounts(freshStore: () => Promise<Store>) {
  return async (limits: Readonly<Record<string, Partial<LimitFigures>>> = {}) => {
    const clock = { nowMs: START_MS };
    const now = () => clock.nowMs;
    const store = await freshStore();
    const ada: Administrator = { store, actor: "ada", now };
    await changeLimits(
      ada,
      "default",
      Object.entries(limits).map(([pattern, set]) => ({ pattern, set })),
    );
    const meter = await meterOn(store, now);
    let requests = 0;
    const admission = (over: Partial<Admission> = {}): Admission => ({
      id: `request-${requests++}`,
      workspaceId: "default",
      model: "m",
      protocol: "chat",
      startedAtMs: clock.nowMs,
      promptTokens: 10,
      completionTokens: 90,
      ...over,
    });
    /** A request that runs from beginning to end. */
    const run = async (prompt: number, completion: number, over: Partial<Admission> = {}) => {
      const request = await meter.reserve(admission(over));
      await request.accepted(prompt);
      request.used({ promptTokens: prompt, completionTokens: completion, source: "engine" });
      await request.settle("ok");
    };
    const counted = async () => {
      const [limit] = await listLimits(ada);
      const row = await store.selectFrom("model_limits").select("reserved_tokens").executeTakeFirst();
      return { running: limit?.running, reserved: row?.reserved_tokens, month: limit?.tokensThisMonth };
    };
    return { ada, clock, store, meter, admission, run, counted, now };
  };
}

/** All nodes are gone, as if their machines had been switched off and their leases were over. */
export async function crash(store: Store): Promise<void> {
  await store.deleteFrom("nodes").execute();
}

/** By id. */
export function ledger(store: Store): Promise<UsageRecordRow[]> {
  return store.selectFrom("usage_records").selectAll().orderBy("id").execute();
}

export async function reservations(store: Store): Promise<readonly string[]> {
  const rows = await store.selectFrom("reservations").select("id").orderBy("id").execute();
  return rows.map(({ id }) => id);
}
