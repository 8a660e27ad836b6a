import type { z } from "zod";
import type { Administrator } from "../accounts/administration.ts";
import { listAuditRecords } from "../accounts/audit.ts";
import { addGrants, listGrants, removeGrants } from "../accounts/grants.ts";
import {
  createKey,
  DEFAULT_OVERLAP_MS,
  deleteKey,
  disableKey,
  enableKey,
  listKeys,
  type NewKey,
  rotateKey,
} from "../accounts/keys.ts";
import { changeLimits, type LimitChange, listLimits } from "../accounts/limits.ts";
import { usage } from "../accounts/usage.ts";
import {
  createWorkspace,
  DEFAULT_WORKSPACE,
  deleteWorkspace,
  listWorkspaces,
  renameWorkspace,
} from "../accounts/workspaces.ts";
import { adminAnswers, adminInputs } from "../wire/admin.ts";

/** One thing that an administrator can do over HTTP. */
export interface AdminOperation {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  /** As OpenAPI writes it: `/admin/keys/{id}`. */
  readonly path: string;
  readonly summary: string;
  /** Fields that the path names come from there; the others from the query (GET, DELETE) or the JSON body. */
  readonly input: z.ZodObject;
  readonly answer: z.ZodType;
  /** Of the answer. */
  readonly status: 200 | 201;
  /** @param input as the schema gave it. Throws `AccountFailure` and changes nothing then. */
  run(administrator: Administrator, input: unknown): Promise<unknown>;
}

const { none, oneWorkspace, workspaceCreation, workspaceChange, workspaceDeletion } = adminInputs;

/** What the commands of `continuo` do, with the JSON that they print. */
export const ADMIN_OPERATIONS: readonly AdminOperation[] = [
  operation("GET", "/admin/workspaces", "All workspaces", none, adminAnswers.workspaces, async ({ store }) => ({
    workspaces: await listWorkspaces(store),
  })),
  operation(
    "POST",
    "/admin/workspaces",
    "Create a workspace",
    workspaceCreation,
    adminAnswers.workspace,
    (administrator, { name }) => createWorkspace(administrator, name),
  ),
  operation(
    "PATCH",
    "/admin/workspaces/{workspace}",
    "Rename a workspace",
    workspaceChange,
    adminAnswers.workspace,
    (administrator, { workspace, name }) => renameWorkspace(administrator, workspace, name),
  ),
  operation(
    "DELETE",
    "/admin/workspaces/{workspace}",
    "Delete a workspace and its grants",
    workspaceDeletion,
    adminAnswers.workspaceDeleted,
    (administrator, { workspace, withKeys }) =>
      deleteWorkspace(administrator, workspace, { withKeys: withKeys === "true" }),
  ),
  operation(
    "GET",
    "/admin/keys",
    "Keys, without what makes them valid",
    oneWorkspace,
    adminAnswers.keys,
    async (administrator, { workspace }) => ({ keys: await listKeys(administrator, workspace) }),
  ),
  operation(
    "POST",
    "/admin/keys",
    "Create a key; the answer shows it, this once",
    adminInputs.keyCreation,
    adminAnswers.newKey,
    async (administrator, { workspace = DEFAULT_WORKSPACE, label, expiresInMs }) =>
      shown(
        await createKey(administrator, {
          workspace,
          ...(label !== undefined && { label }),
          ...(expiresInMs !== undefined && { expiresAtMs: administrator.now() + expiresInMs }),
        }),
      ),
  ),
  operation(
    "POST",
    "/admin/keys/{id}/rotate",
    "Create a key in the place of another",
    adminInputs.keyRotation,
    adminAnswers.newKey,
    async (administrator, { id, overlapMs = DEFAULT_OVERLAP_MS }) =>
      shown(await rotateKey(administrator, id, overlapMs)),
  ),
  keyChange("POST", "/admin/keys/{id}/disable", "Refuse a key until it is enabled again", "disable", disableKey),
  keyChange("POST", "/admin/keys/{id}/enable", "Accept a key that was disabled", "enable", enableKey),
  keyChange("DELETE", "/admin/keys/{id}", "Delete a key for good", "delete", deleteKey),
  operation(
    "GET",
    "/admin/grants",
    "Which workspace may call which models",
    oneWorkspace,
    adminAnswers.grants,
    async ({ store }, { workspace }) => ({ grants: await listGrants(store, workspace) }),
  ),
  grantChange("POST", "Let a workspace call models; the answer lists its grants", addGrants),
  grantChange("DELETE", "Take grants back, as they were written; all of them or none", removeGrants),
  operation(
    "GET",
    "/admin/limits",
    "Limits, and what is taken of them now",
    oneWorkspace,
    adminAnswers.limits,
    async (administrator, { workspace }) => ({ limits: await listLimits(administrator, workspace) }),
  ),
  operation(
    "POST",
    "/admin/limits",
    "Bound what a workspace may use, one limit for each name or pattern",
    adminInputs.limits,
    adminAnswers.limits,
    async (administrator, { workspace, models, ...figures }) => {
      const set = Object.fromEntries(Object.entries(figures).filter(([, figure]) => figure !== undefined));
      return changedLimits(
        administrator,
        workspace,
        models.map((pattern) => ({ pattern, set })),
      );
    },
  ),
  operation(
    "DELETE",
    "/admin/limits",
    "Take limits back, as they were written; all of them or none",
    adminInputs.grants,
    adminAnswers.limits,
    async (administrator, { workspace, models }) =>
      changedLimits(
        administrator,
        workspace,
        models.map((pattern) => ({ pattern, remove: true })),
      ),
  ),
  operation(
    "GET",
    "/admin/usage",
    "Requests that have ended, and their tokens, summed up",
    adminInputs.usage,
    adminAnswers.usage,
    async ({ store }, { by = "model", sinceMs, untilMs, workspace }) => {
      const query = {
        ...(sinceMs !== undefined && { sinceMs: Number(sinceMs) }),
        ...(untilMs !== undefined && { untilMs: Number(untilMs) }),
        ...(workspace !== undefined && { workspace }),
      };
      return { by, usage: await usage(store, { by, ...query }) };
    },
  ),
  operation(
    "GET",
    "/admin/audit",
    "The last changes, the newest first",
    adminInputs.audit,
    adminAnswers.audit,
    async ({ store }, { last = "50" }) => ({ records: await listAuditRecords(store, Number(last)) }),
  ),
];

function operation<Input extends z.ZodObject>(
  method: AdminOperation["method"],
  path: string,
  summary: string,
  input: Input,
  answer: z.ZodType,
  run: (administrator: Administrator, input: z.output<Input>) => Promise<unknown>,
): AdminOperation {
  const creates = answer === adminAnswers.newKey || (method === "POST" && answer === adminAnswers.workspace);
  return {
    ...{ method, path, summary, input, answer, status: creates ? 201 : 200 },
    run: (administrator, given) => run(administrator, given as z.output<Input>),
  };
}

function keyChange(
  method: "POST" | "DELETE",
  path: string,
  summary: string,
  change: "disable" | "enable" | "delete",
  make: (administrator: Administrator, id: string) => Promise<void>,
): AdminOperation {
  return operation(method, path, summary, adminInputs.key, adminAnswers.keyChanged, async (administrator, { id }) => {
    await make(administrator, id);
    return { id, change };
  });
}

function grantChange(method: "POST" | "DELETE", summary: string, make: typeof addGrants): AdminOperation {
  const { grants } = adminInputs;
  return operation(method, "/admin/grants", summary, grants, adminAnswers.grants, async (administrator, input) => {
    await make(administrator, input.workspace, input.models);
    return { grants: await listGrants(administrator.store, input.workspace) };
  });
}

async function changedLimits(administrator: Administrator, workspace: string, changes: readonly LimitChange[]) {
  await changeLimits(administrator, workspace, changes);
  return { limits: await listLimits(administrator, workspace) };
}

function shown({ id, secret, expiresAtMs }: NewKey): z.output<typeof adminAnswers.newKey> {
  return { id, key: secret, ...(expiresAtMs !== undefined && { expiresAtMs }) };
}
