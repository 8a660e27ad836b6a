import type { Store } from "../db/schema.ts";
import { type Administrator, type Change, changeWorkspace } from "./administration.ts";
import { AccountFailure } from "./failure.ts";
import { fits, isPattern } from "./pattern.ts";
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
      "models",
    );
  }
  const { id } = await granted(administrator.store, workspace);
  await changeWorkspace(administrator, id, async (change) => {
    for (const pattern of patterns) {
      await addGrant(change, id, pattern);
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
  await changeWorkspace(administrator, id, async (change) => {
    for (const pattern of new Set(patterns)) {
      if (!(await removeGrant(change, id, pattern))) {
        const advice = "`continuo grants list` shows what is";
        throw new AccountFailure(
          `"${pattern}" is not granted to ${name}; nothing was removed; ${advice}`,
          "missing",
          "models",
        );
      }
    }
  });
}

/** What one change does, in this order. */
export interface GrantChange {
  /** `OPEN`: every model, also those to come. `CLOSE`: takes back all that was granted. Absent: neither. */
  readonly all?: "OPEN" | "CLOSE";
  /** Names. Those that may be called already, by whatever grant, stay as they are. */
  readonly add: readonly string[];
  /**
   * Names that must not be called any more. Those that may not be called anyway stay as they are; one that is granted by
   * a pattern is refused, since the pattern is about others too.
   */
  readonly remove: readonly string[];
}

/** All of it or nothing. Throws `AccountFailure`. @param workspace its name or id. */
export async function changeGrants(
  administrator: Administrator,
  workspace: string,
  wanted: GrantChange,
): Promise<void> {
  const { id } = await granted(administrator.store, workspace);
  await changeWorkspace(administrator, id, async (change) => {
    const before = await patternsOf(change.transaction, id);
    const after = patternsAfter(before, wanted);
    for (const pattern of before.filter((each) => !after.has(each))) await removeGrant(change, id, pattern);
    for (const pattern of [...after].filter((each) => !before.includes(each))) await addGrant(change, id, pattern);
  });
}

function patternsAfter(before: readonly string[], { all, add, remove }: GrantChange): ReadonlySet<string> {
  const after = new Set(all === "CLOSE" ? [] : before);
  const grantOf = (name: string): string | undefined => [...after].find((pattern) => fits(pattern, name));
  if (all === "OPEN") after.add("*");
  for (const name of add) if (grantOf(name) === undefined) after.add(name);
  for (const name of remove) {
    after.delete(name);
    const wider = grantOf(name);
    if (wider === undefined) continue;
    const advice = "take that back with `continuo grants remove`, or grant the other models by name";
    throw new AccountFailure(`"${name}" is granted by the pattern "${wider}"; ${advice}`, "failed", "models");
  }
  return after;
}

/** Which models a workspace may call. Throws `AccountFailure` when it is not there. @param workspace its name or id. */
export async function grantedTo(store: Store, workspace: string): Promise<(model: string) => boolean> {
  const { id } = await findWorkspace(store, workspace);
  if (id === DEFAULT_WORKSPACE) return () => true;
  const patterns = await patternsOf(store, id);
  return (model) => patterns.some((pattern) => fits(pattern, model));
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

async function patternsOf(store: Store, workspaceId: string): Promise<readonly string[]> {
  const rows = await store
    .selectFrom("model_grants")
    .select("pattern")
    .where("workspace_id", "=", workspaceId)
    .orderBy("pattern")
    .execute();
  return rows.map(({ pattern }) => pattern);
}

async function addGrant({ transaction, atMs, record }: Change, workspaceId: string, pattern: string): Promise<void> {
  const { numInsertedOrUpdatedRows } = await transaction
    .insertInto("model_grants")
    .values({ workspace_id: workspaceId, pattern, created_at_ms: atMs })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirstOrThrow();
  if (numInsertedOrUpdatedRows === 1n) await record("grants.add", pattern);
}

/** False: it was not there. */
async function removeGrant({ transaction, record }: Change, workspaceId: string, pattern: string): Promise<boolean> {
  const { numDeletedRows } = await transaction
    .deleteFrom("model_grants")
    .where("workspace_id", "=", workspaceId)
    .where("pattern", "=", pattern)
    .executeTakeFirstOrThrow();
  if (numDeletedRows !== 1n) return false;
  await record("grants.remove", pattern);
  return true;
}

/** A workspace that needs grants. */
async function granted(store: Store, named: string): Promise<Workspace> {
  const workspace = await findWorkspace(store, named);
  if (workspace.id !== DEFAULT_WORKSPACE) return workspace;
  throw new AccountFailure(
    "the default workspace may call every model; grants are for the other workspaces",
    "usage",
    "workspace",
  );
}
