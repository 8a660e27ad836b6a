import { StoreFailure } from "../db/failure.ts";
import type { Store } from "../db/schema.ts";
import { type Administrator, changeWorkspace } from "./administration.ts";
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

/** Contract 7.2. */
const MAX_NAME_LENGTH = 30;

const ID_PREFIX = "ws_";

export async function createWorkspace(administrator: Administrator, name: string): Promise<Workspace> {
  checkName(name);
  const id = newId(ID_PREFIX);
  try {
    return await changeWorkspace(administrator, id, async ({ transaction, atMs, record }) => {
      await transaction
        .insertInto("workspaces")
        .values({ id, name, created_at_ms: atMs, changed_at_ms: atMs })
        .execute();
      await record("workspaces.create", id, { name });
      return { id, name, createdAtMs: atMs };
    });
  } catch (error) {
    if (!(error instanceof StoreFailure && error.kind === "unique")) throw error;
    throw new AccountFailure(`there is a workspace named "${name}" already; choose another name`);
  }
}

/** By name; the default one is among them. */
export async function listWorkspaces(store: Store): Promise<readonly Workspace[]> {
  const rows = await store.selectFrom("workspaces").selectAll().orderBy("name").execute();
  return rows.map(({ id, name, created_at_ms }) => ({ id, name, createdAtMs: created_at_ms }));
}

/** @param named its name or its id. Throws `AccountFailure` when there is none. */
export async function findWorkspace(store: Store, named: string): Promise<Workspace> {
  const row = await store
    .selectFrom("workspaces")
    .selectAll()
    .where((where) => where.or([where("id", "=", named), where("name", "=", named)]))
    .executeTakeFirst();
  if (row !== undefined) return { id: row.id, name: row.name, createdAtMs: row.created_at_ms };
  const advice = "`continuo workspaces list` shows them all, `continuo workspaces create` makes one";
  throw new AccountFailure(`there is no workspace "${named}"; ${advice}`, "usage");
}

/** A name is never taken for an id, nor hard to see in a table. */
function checkName(name: string): void {
  const length = [...name].length;
  if (length >= 1 && length <= MAX_NAME_LENGTH && !/\p{C}|^\s|\s$/u.test(name) && !name.startsWith(ID_PREFIX)) return;
  const expected = `1 to ${MAX_NAME_LENGTH} characters, no blanks at the ends, not beginning with "${ID_PREFIX}"`;
  throw new AccountFailure(`expected a name for the workspace: ${expected}; found ${JSON.stringify(name)}`, "usage");
}
