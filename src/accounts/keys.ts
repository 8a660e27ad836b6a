import type { Selectable } from "kysely";
import type { ApiKeyRow, Store } from "../db/schema.ts";
import { type Administrator, type Change, changeWorkspace } from "./administration.ts";
import { AccountFailure } from "./failure.ts";
import { containsSecret, digestOf, looksLikeSecret, newId, newSecret } from "./secret.ts";
import { findWorkspace } from "./workspaces.ts";

/** What is known about a key; not the key. */
export interface Key {
  readonly id: string;
  readonly workspaceId: string;
  /** Name of the workspace. */
  readonly workspace: string;
  readonly label?: string;
  /** The key's last characters. */
  readonly ending: string;
  readonly state: "active" | "disabled" | "expired";
  readonly createdAtMs: number;
  /** From then on it is refused. */
  readonly expiresAtMs?: number;
  /** Within a minute. */
  readonly lastUsedAtMs?: number;
}

/** The only time that a key itself is seen. */
export interface NewKey {
  readonly id: string;
  readonly secret: string;
  readonly expiresAtMs?: number;
}

/** docs/wire.md 7.1. Expired keys do not count: nothing makes them valid again. */
const MAX_KEYS = 20;

/** Milliseconds for which a rotated key stays valid unless told otherwise. */
export const DEFAULT_OVERLAP_MS = 86_400_000;

const MAX_LABEL_LENGTH = 100;

const ENDING_LENGTH = 4;

/** @param wanted `workspace`: name or id. `expiresAtMs`: absent: never. */
export async function createKey(
  administrator: Administrator,
  wanted: { readonly workspace: string; readonly label?: string; readonly expiresAtMs?: number },
): Promise<NewKey> {
  const { label, expiresAtMs } = wanted;
  checkLabel(label);
  const workspace = await findWorkspace(administrator.store, wanted.workspace);
  return changeWorkspace(administrator, workspace.id, async (change) => {
    if (expiresAtMs !== undefined && expiresAtMs <= change.atMs) {
      throw new AccountFailure("expected an expiry in the future", "usage", "expiresInMs");
    }
    const fresh = await insertKey(change, {
      workspace_id: workspace.id,
      label: label ?? null,
      expires_at_ms: expiresAtMs ?? null,
    });
    await change.record("keys.create", fresh.id, { label, expiresAtMs });
    return fresh;
  });
}

/** By workspace and age. @param workspace name or id of the only one to list. */
export async function listKeys(
  { store, now }: Pick<Administrator, "store" | "now">,
  workspace?: string,
): Promise<readonly Key[]> {
  const id = workspace === undefined ? undefined : (await findWorkspace(store, workspace)).id;
  const rows = await store
    .selectFrom("api_keys")
    .innerJoin("workspaces", "workspaces.id", "api_keys.workspace_id")
    .selectAll("api_keys")
    .select("name")
    .where("api_keys.deleted_at_ms", "is", null)
    .$if(id !== undefined, (query) => query.where("workspace_id", "=", id ?? ""))
    .orderBy("name")
    .orderBy("api_keys.created_at_ms")
    .orderBy("api_keys.id")
    .execute();
  const nowMs = now();
  return rows.map((row) => keyFrom(row, row.name, nowMs));
}

/** It is refused until it is enabled again. */
export async function disableKey(administrator: Administrator, id: string): Promise<void> {
  await changeKey(administrator, id, async ({ transaction, atMs, record }, key) => {
    if (key.disabled_at_ms !== null) return;
    await transaction.updateTable("api_keys").set({ disabled_at_ms: atMs }).where("id", "=", id).execute();
    await record("keys.disable", id);
  });
}

export async function enableKey(administrator: Administrator, id: string): Promise<void> {
  await changeKey(administrator, id, async ({ transaction, record }, key) => {
    if (key.disabled_at_ms === null) return;
    await transaction.updateTable("api_keys").set({ disabled_at_ms: null }).where("id", "=", id).execute();
    await record("keys.enable", id);
  });
}

/** For good. */
export async function deleteKey(administrator: Administrator, id: string): Promise<void> {
  await changeKey(administrator, id, async ({ transaction, atMs, record }) => {
    await transaction.updateTable("api_keys").set({ deleted_at_ms: atMs }).where("id", "=", id).execute();
    await record("keys.delete", id);
  });
}

/**
 * A new key in the place of another: same workspace, same label, and as long a life from now on.
 *
 * @param overlapMs time for which the old one stays valid, unless it expires before.
 */
export async function rotateKey(administrator: Administrator, id: string, overlapMs: number): Promise<NewKey> {
  return changeKey(administrator, id, async (change, old) => {
    const { atMs, transaction } = change;
    const { label, workspace_id, created_at_ms, expires_at_ms } = old;
    const state = stateOf(old, atMs);
    if (state !== "active")
      throw new AccountFailure(`the key ${id} is ${state}; create a new one with \`continuo keys create\``);
    const endsAtMs = Math.min(atMs + overlapMs, expires_at_ms ?? Number.POSITIVE_INFINITY);
    await transaction.updateTable("api_keys").set({ expires_at_ms: endsAtMs }).where("id", "=", id).execute();
    const expiresAtMs = expires_at_ms === null ? null : atMs + (expires_at_ms - created_at_ms);
    const fresh = await insertKey(change, { workspace_id, label, expires_at_ms: expiresAtMs });
    await change.record("keys.rotate", id, { to: fresh.id, endsAtMs });
    return fresh;
  });
}

async function insertKey(
  { transaction, atMs }: Change,
  row: Pick<ApiKeyRow, "workspace_id" | "label" | "expires_at_ms">,
): Promise<NewKey> {
  const { keys } = await transaction
    .selectFrom("api_keys")
    .select(({ fn }) => fn.countAll<number>().as("keys"))
    .where("workspace_id", "=", row.workspace_id)
    .where("deleted_at_ms", "is", null)
    .where((where) => where.or([where("expires_at_ms", "is", null), where("expires_at_ms", ">", atMs)]))
    .executeTakeFirstOrThrow();
  if (keys >= MAX_KEYS) {
    throw new AccountFailure(
      `a workspace has at most ${MAX_KEYS} keys; delete one first (\`continuo keys list\` shows them)`,
    );
  }
  const id = newId("key_");
  const secret = newSecret();
  await transaction
    .insertInto("api_keys")
    .values({
      ...row,
      id,
      digest: digestOf(secret).toString("hex"),
      ending: secret.slice(-ENDING_LENGTH),
      created_at_ms: atMs,
      disabled_at_ms: null,
      deleted_at_ms: null,
      last_used_at_ms: null,
    })
    .execute();
  return { id, secret, ...(row.expires_at_ms !== null && { expiresAtMs: row.expires_at_ms }) };
}

/** Runs `work` on a key that is there. Throws `AccountFailure` when there is none. */
async function changeKey<T>(
  administrator: Administrator,
  id: string,
  work: (change: Change, key: Selectable<ApiKeyRow>) => Promise<T>,
): Promise<T> {
  const workspaceId = (await findKey(administrator.store, id)).workspace_id;
  return changeWorkspace(administrator, workspaceId, async (change) =>
    work(change, await findKey(change.transaction, id)),
  );
}

async function findKey(store: Store, id: string): Promise<Selectable<ApiKeyRow>> {
  // What others can read in the list of processes, and here in a message, must not be a key.
  if (looksLikeSecret(id)) {
    throw new AccountFailure(
      "expected the id of a key, such as key_abc…, not the key itself; `continuo keys list` shows the ids",
      "usage",
      "id",
    );
  }
  const row = await store
    .selectFrom("api_keys")
    .selectAll()
    .where("id", "=", id)
    .where("deleted_at_ms", "is", null)
    .executeTakeFirst();
  if (row !== undefined) return row;
  throw new AccountFailure(
    `there is no key with the id ${JSON.stringify(id)}; \`continuo keys list\` shows them all`,
    "missing",
    "id",
  );
}

function keyFrom(row: Selectable<ApiKeyRow>, workspace: string, nowMs: number): Key {
  return {
    id: row.id,
    workspaceId: row.workspace_id,
    workspace,
    ...(row.label !== null && { label: row.label }),
    ending: row.ending,
    state: stateOf(row, nowMs),
    createdAtMs: row.created_at_ms,
    ...(row.expires_at_ms !== null && { expiresAtMs: row.expires_at_ms }),
    ...(row.last_used_at_ms !== null && { lastUsedAtMs: row.last_used_at_ms }),
  };
}

function stateOf({ expires_at_ms, disabled_at_ms }: Selectable<ApiKeyRow>, nowMs: number): Key["state"] {
  if (expires_at_ms !== null && expires_at_ms <= nowMs) return "expired";
  return disabled_at_ms === null ? "active" : "disabled";
}

function checkLabel(label: string | undefined): void {
  if (label === undefined) return;
  if (label !== "" && [...label].length <= MAX_LABEL_LENGTH && !/\p{C}/u.test(label) && !containsSecret(label)) return;
  throw new AccountFailure(`expected a label of 1 to ${MAX_LABEL_LENGTH} characters that is no key`, "usage", "label");
}
