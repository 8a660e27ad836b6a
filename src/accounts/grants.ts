import type { Store } from "../db/schema.ts";
import { type Administrator, changeWorkspace } from "./administration.ts";
import { AccountFailure } from "./failure.ts";
import { isPattern } from "./pattern.ts";
import { DEFAULT_WORKSPACE, findWorkspace, type Workspace } from "./workspaces.ts";

/** A workspace may call the models whose names fit. */
export interface Grant {
  readonly workspaceId: string;
  /** Name of the workspace. */
  readonly workspace: string;
  readonly pattern: string;
  readonly createdAtMs: number;
}

/** Grants that are there already stay as they are. @param workspace its name or id. */
export async function addGrants(
  administrator: Administrator,
  workspace: string,
  patterns: readonly string[],
): Promise<void> {
  const wrong = patterns.find((pattern) => !isPattern(pattern));
  if (wrong !== undefined) {
    const expected = "the name of a model, or a pattern such as qwen2.5-coder-*";
    throw new AccountFailure(
      `expected ${expected}: 1 to 200 characters without blanks; found ${JSON.stringify(wrong)}`,
      "usage",
    );
  }
  const { id } = await granted(administrator.store, workspace);
  await changeWorkspace(administrator, id, async ({ transaction, atMs, record }) => {
    for (const pattern of patterns) {
      const { numInsertedOrUpdatedRows } = await transaction
        .insertInto("model_grants")
        .values({ workspace_id: id, pattern, created_at_ms: atMs })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirstOrThrow();
      if (numInsertedOrUpdatedRows === 1n) await record("grants.add", pattern);
    }
  });
}

/** Removes nothing when one of the patterns is not granted. @param workspace its name or id. */
export async function removeGrants(
  administrator: Administrator,
  workspace: string,
  patterns: readonly string[],
): Promise<void> {
  const { id, name } = await granted(administrator.store, workspace);
  await changeWorkspace(administrator, id, async ({ transaction, record }) => {
    for (const pattern of new Set(patterns)) {
      const { numDeletedRows } = await transaction
        .deleteFrom("model_grants")
        .where("workspace_id", "=", id)
        .where("pattern", "=", pattern)
        .executeTakeFirstOrThrow();
      if (numDeletedRows !== 1n) {
        const advice = "`continuo grants list` shows what is";
        throw new AccountFailure(`"${pattern}" is not granted to ${name}; nothing was removed; ${advice}`, "usage");
      }
      await record("grants.remove", pattern);
    }
  });
}

/** By workspace and pattern. @param workspace name or id of the only one to list. */
export async function listGrants(store: Store, workspace?: string): Promise<readonly Grant[]> {
  const id = workspace === undefined ? undefined : (await findWorkspace(store, workspace)).id;
  const rows = await store
    .selectFrom("model_grants")
    .innerJoin("workspaces", "workspaces.id", "model_grants.workspace_id")
    .select(["workspace_id", "name", "pattern", "model_grants.created_at_ms as granted_at_ms"])
    .$if(id !== undefined, (query) => query.where("workspace_id", "=", id ?? ""))
    .orderBy("name")
    .orderBy("pattern")
    .execute();
  return rows.map(({ workspace_id, name, pattern, granted_at_ms }) => ({
    workspaceId: workspace_id,
    workspace: name,
    pattern,
    createdAtMs: granted_at_ms,
  }));
}

/** A workspace that needs grants. */
async function granted(store: Store, named: string): Promise<Workspace> {
  const workspace = await findWorkspace(store, named);
  if (workspace.id !== DEFAULT_WORKSPACE) return workspace;
  throw new AccountFailure("the default workspace may call every model; grants are for the other workspaces", "usage");
}
