/** Administrators of stores that nobody else uses, and what they have done. */
import type { Administrator } from "../../src/accounts/administration.ts";
import { listAuditRecords } from "../../src/accounts/audit.ts";
import type { Store } from "../../src/db/schema.ts";

/** When the clocks of administrators stand still first. */
export const START_MS = 1_790_000_000_000;

/** Makes an administrator of a new store, whose clock stands still until it is set. */
export function administrations(
  freshStore: () => Promise<Store>,
): () => Promise<Administrator & { clock: { nowMs: number } }> {
  return async () => {
    const clock = { nowMs: START_MS };
    return { store: await freshStore(), actor: "ada", now: () => clock.nowMs, clock };
  };
}

/** What the audit says was done in the administrator's store, sorted. */
export async function actions({ store }: Administrator): Promise<readonly string[]> {
  const records = await listAuditRecords(store, 100);
  return records.map(({ action }) => action).sort();
}
