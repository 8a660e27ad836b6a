import type { Transaction } from "kysely";
import type { Store, Tables } from "../db/schema.ts";
import { AccountFailure } from "./failure.ts";
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
  | "workspaces.rename"
  | "workspaces.delete"
  | "keys.create"
  | "keys.disable"
  | "keys.enable"
  | "keys.rotate"
  | "keys.delete"
  | "grants.add"
  | "grants.remove"
  | "limits.set"
  | "limits.remove";

/**
 * Runs `work` while nobody else changes this workspace. Changes nothing when it throws.
 *
 * @param workspaceId of one that is there, unless somebody has just deleted it: then this throws `AccountFailure`.
 */
export function changeWorkspace<T>(
  administrator: Administrator,
  workspaceId: string,
  work: (change: Change) => Promise<T>,
): Promise<T> {
  return makeChange(administrator, workspaceId, async (change) => {
    // Whoever writes the row first holds it until the end; the others wait here, on both stores.
    const { numUpdatedRows } = await change.transaction
      .updateTable("workspaces")
      .set({ changed_at_ms: change.atMs })
      .where("id", "=", workspaceId)
      .where("deleted_at_ms", "is", null)
      .executeTakeFirstOrThrow();
    if (numUpdatedRows === 0n) {
      throw new AccountFailure(`the workspace ${workspaceId} has been deleted; choose another`, "missing", "workspace");
    }
    return work(change);
  });
}

/** Runs `work` in one transaction. @param workspaceId what its records name. */
export function makeChange<T>(
  { store, actor, now }: Administrator,
  workspaceId: string,
  work: (change: Change) => Promise<T>,
): Promise<T> {
  return store.transaction().execute(async (transaction) => {
    const atMs = now();
    const record: Change["record"] = async (action, subject, detail = {}) => {
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
    };
    return work({ transaction, atMs, record });
  });
}
