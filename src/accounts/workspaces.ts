import { StoreFailure } from "../db/failure.ts";
import type { Store } from "../db/schema.ts";
import { type Administrator, changeWorkspace, makeChange } from "./administration.ts";
import { AccountFailure } from "./failure.ts";
import { newId } from "./secret.ts";

/** Id and name of the workspace that is there from the beginning and may call every model. */
export const DEFAULT_WORKSPACE = "default";

/** An owner of keys and grants. */
export interface Workspace {
  /** What the workspace header of a call names. */
  readonly id: string;
  readonly name: string;
  readonly createdAtMs: number;
}

/** docs/wire.md 7.2. */
const MAX_NAME_LENGTH = 30;

const ID_PREFIX = "ws_";

export async function createWorkspace(administrator: Administrator, name: string): Promise<Workspace> {
  checkName(name);
  const id = newId(ID_PREFIX);
  return withFreeName(name, () =>
    makeChange(administrator, id, async ({ transaction, atMs, record }) => {
      await transaction
        .insertInto("workspaces")
        .values({ id, name, created_at_ms: atMs, changed_at_ms: atMs, deleted_at_ms: null })
        .execute();
      await record("workspaces.create", id, { name });
      return { id, name, createdAtMs: atMs };
    }),
  );
}

/** Its keys, grants and id stay as they are. @param named its name or its id. */
export async function renameWorkspace(administrator: Administrator, named: string, name: string): Promise<Workspace> {
  checkName(name);
  const { id, createdAtMs } = await changeable(administrator.store, named);
  return withFreeName(name, () =>
    changeWorkspace(administrator, id, async ({ transaction, record }) => {
      const before = await findWorkspace(transaction, id);
      if (before.name !== name) {
        await transaction.updateTable("workspaces").set({ name }).where("id", "=", id).execute();
        await record("workspaces.rename", id, { from: before.name, to: name });
      }
      return { id, name, createdAtMs };
    }),
  );
}

/**
 * For good, with its grants and limits; what it used stays on record. Throws `AccountFailure` when it has keys, disabled
 * and expired ones included, unless they are to go with it.
 *
 * @param named its name or its id.
 */
export async function deleteWorkspace(
  administrator: Administrator,
  named: string,
  { withKeys }: { readonly withKeys: boolean },
): Promise<{ readonly id: string; readonly deletedKeys: number }> {
  const { id, name } = await changeable(administrator.store, named);
  return changeWorkspace(administrator, id, async ({ transaction, atMs, record }) => {
    const keys = await transaction
      .selectFrom("api_keys")
      .select("id")
      .where("workspace_id", "=", id)
      .where("deleted_at_ms", "is", null)
      .execute();
    if (keys.length > 0 && !withKeys) {
      const advice = "delete them first, or ask for them to be deleted with it";
      throw new AccountFailure(`the workspace "${name}" still has ${keys.length} key(s); ${advice}`);
    }
    for (const key of keys) {
      await transaction.updateTable("api_keys").set({ deleted_at_ms: atMs }).where("id", "=", key.id).execute();
      await record("keys.delete", key.id);
    }
    await transaction.deleteFrom("model_grants").where("workspace_id", "=", id).execute();
    const limits = transaction.selectFrom("model_limits").select("id").where("workspace_id", "=", id);
    await transaction.deleteFrom("limit_seconds").where("limit_id", "in", limits).execute();
    await transaction.deleteFrom("model_limits").where("workspace_id", "=", id).execute();
    // Its name is free for another one.
    await transaction.updateTable("workspaces").set({ name: id, deleted_at_ms: atMs }).where("id", "=", id).execute();
    await record("workspaces.delete", id, { name });
    return { id, deletedKeys: keys.length };
  });
}

/** By name; the default one is among them. */
export async function listWorkspaces(store: Store): Promise<readonly Workspace[]> {
  const rows = await store
    .selectFrom("workspaces")
    .selectAll()
    .where("deleted_at_ms", "is", null)
    .orderBy("name")
    .execute();
  return rows.map(({ id, name, created_at_ms }) => ({ id, name, createdAtMs: created_at_ms }));
}

/** @param named its name or its id. Throws `AccountFailure` when there is none. */
export async function findWorkspace(store: Store, named: string): Promise<Workspace> {
  const row = await store
    .selectFrom("workspaces")
    .selectAll()
    .where((where) => where.or([where("id", "=", named), where("name", "=", named)]))
    .where("deleted_at_ms", "is", null)
    .executeTakeFirst();
  if (row !== undefined) return { id: row.id, name: row.name, createdAtMs: row.created_at_ms };
  const advice = "`continuo workspaces list` shows them all, `continuo workspaces create` makes one";
  throw new AccountFailure(`there is no workspace "${named}"; ${advice}`, "missing", "workspace");
}

/** Another one than that which is always there under this name. */
async function changeable(store: Store, named: string): Promise<Workspace> {
  const workspace = await findWorkspace(store, named);
  if (workspace.id !== DEFAULT_WORKSPACE) return workspace;
  const advice = "it is the one that keys belong to unless another is named";
  throw new AccountFailure(`the default workspace cannot be renamed or deleted: ${advice}`, "failed", "workspace");
}

async function withFreeName<T>(name: string, change: () => Promise<T>): Promise<T> {
  try {
    return await change();
  } catch (error) {
    if (!(error instanceof StoreFailure && error.kind === "unique")) throw error;
    throw new AccountFailure(`there is a workspace named "${name}" already; choose another name`, "failed", "name");
  }
}

/** A name is never taken for an id, nor hard to see in a table. */
function checkName(name: string): void {
  const length = [...name].length;
  if (length >= 1 && length <= MAX_NAME_LENGTH && !/\p{C}|^\s|\s$/u.test(name) && !name.startsWith(ID_PREFIX)) return;
  const expected = `1 to ${MAX_NAME_LENGTH} characters, no blanks at the ends, not beginning with "${ID_PREFIX}"`;
  throw new AccountFailure(
    `expected a name for the workspace: ${expected}; found ${JSON.stringify(name)}`,
    "usage",
    "name",
  );
}
