import type { Transaction } from "kysely";
import type { Store, Tables } from "../db/schema.ts";
import { newId } from "./secret.ts";

/** Somebody who may change everything. */
export interface Administrator {
  readonly store: Store;
  /** Whose name stands in the records. */
  readonly actor: string;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** A change that is under way: all of it happens, its records included, or nothing. */
export interface Change {
  readonly transaction: Transaction<Tables>;
  readonly atMs: number;
  /**
   * Every change leaves at least one.
   *
   * @param subject what was changed, such as the id of a key.
   * @param detail what else there is to say; never a key.
   */
  record(action: Action, subject: string, detail?: Readonly<Record<string, unknown>>): Promise<void>;
}

export type Action =
  | "workspaces.create"
  | "keys.create"
  | "keys.disable"
  | "keys.enable"
  | "keys.rotate"
  | "keys.delete"
  | "grants.add"
  | "grants.remove"
  | "limits.set"
  | "limits.remove";

/** Runs `work` while nobody else changes this workspace. Changes nothing when it throws. */
export function changeWorkspace<T>(
  { store, actor, now }: Administrator,
  workspaceId: string,
  work: (change: Change) => Promise<T>,
): Promise<T> {
  return store.transaction().execute(async (transaction) => {
    const atMs = now();
    // Whoever writes the row first holds it until the end; the others wait here, on both stores.
    await transaction.updateTable("workspaces").set({ changed_at_ms: atMs }).where("id", "=", workspaceId).execute();
    return work({
      transaction,
      atMs,
      record: async (action, subject, detail = {}) => {
        await transaction
          .insertInto("audit_records")
          .values({
            id: newId("audit_"),
            at_ms: atMs,
            actor,
            action,
            workspace_id: workspaceId,
            subject,
            detail: JSON.stringify(detail),
          })
          .execute();
      },
    });
  });
}
