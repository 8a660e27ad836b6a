/** Looks into the account of usage, and lets nodes crash that were never a process. */
import { onTestFinished } from "vitest";
import { thisNode } from "../../src/accounts/nodes.ts";
import { StoredMeter } from "../../src/accounts/stored-meter.ts";
import type { Store, UsageRecordRow } from "../../src/db/schema.ts";

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
