import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Administrator } from "../accounts/administration.ts";
import { changeGrants, grantedTo } from "../accounts/grants.ts";
import type { ModelLimit } from "../accounts/limits.ts";
import { fits } from "../accounts/pattern.ts";
import { DEFAULT_WORKSPACE, findWorkspace } from "../accounts/workspaces.ts";
import type { ModelCard } from "../continuation/card.ts";
import type { Directory } from "../directory/directory.ts";
import { ServiceError } from "../errors.ts";
import {
  type ModelLimits,
  type ModelPermissions,
  type NativeModels,
  type PermissionChange,
  type PermissionsChanged,
  permissionChange,
} from "../wire/dashscope/models.ts";
import type { AdminAuthenticator } from "./admin-auth.ts";
import { asServiceError } from "./admin-routes.ts";
import { readJsonObject } from "./body.ts";
import { ignoredHeader } from "./headers.ts";
import { refuseOtherMethods } from "./methods.ts";

/** What one limit bounds in a minute. */
export type PatternLimit = Pick<ModelLimit, "pattern" | "requestsPerMinute" | "tokensPerMinute">;

export interface NativeModelParts {
  readonly directory: Directory;
  readonly guard: (request: FastifyRequest) => Promise<void>;
  readonly administrators: AdminAuthenticator;
  /** The limits of a workspace, by its id. */
  readonly limitsOf: (workspaceId: string) => Promise<readonly PatternLimit[]>;
  /** What the workspace header calls the default workspace. */
  readonly workspace: string;
  /** Of a request body. */
  readonly bodyBytes: number;
}

export const NATIVE_MODELS_PATH = "/api/v1/models";
export const PERMISSIONS_PATH = "/api/v1/models/permissions";
export const LIMITS_PATH = "/api/v1/models/limits";

/**
 * DashScope's calls about models (docs/wire.md 7.4). Whoever may call sees what its workspace may; an admin key sees and
 * changes what the workspace in the header may, the default one without it.
 */
export function nativeModelRoutes(app: FastifyInstance, parts: NativeModelParts): void {
  const { directory, guard } = parts;
  app.get(NATIVE_MODELS_PATH, { onRequest: guard }, (request, reply) => {
    const asked = readPage(request, reply, []);
    const cards = directory.list().filter(({ name }) => request.caller.mayCall(name) && asked.fits(name));
    const { models, ...page } = { ...asked.of(cards), models: asked.cut(cards).map(modelOf) };
    answer(request, reply, { ...page, models } satisfies NativeModels["output"]);
  });
  refuseOtherMethods(app, NATIVE_MODELS_PATH, ["GET"]);

  app.get(PERMISSIONS_PATH, { onRequest: callerOrAdministrator(parts) }, (request, reply) => {
    const asked = readPage(request, reply, ["authorization_scope", "action"]);
    const { authorization_scope: scope = "AUTHORIZABLE", action = "INFERENCE" } = asked.values;
    if (scope !== "AUTHORIZABLE" && scope !== "AUTHORIZED") {
      throw wrong("authorization_scope", "authorization_scope should be AUTHORIZABLE or AUTHORIZED");
    }
    if (action !== "INFERENCE") throw wrong("action", "action should be INFERENCE");
    const { mayCall } = request.caller;
    const cards = directory.list().filter(({ name }) => asked.fits(name));
    const wanted = scope === "AUTHORIZED" ? cards.filter(({ name }) => mayCall(name)) : cards;
    const permissions = asked.cut(wanted).map(({ name }) => permissionOf(name, mayCall(name)));
    answer(request, reply, { ...asked.of(wanted), permissions } satisfies ModelPermissions["output"]);
  });
  app.post(PERMISSIONS_PATH, { onRequest: administratorOnly(parts) }, async (request, reply) => {
    const administrator = parts.administrators.authenticate(request.headers);
    const change = readChange(await readJsonObject(request.raw, parts.bodyBytes));
    await changePermissions(administrator, namedWorkspace(request, parts), change);
    answer(request, reply, null satisfies PermissionsChanged["output"]);
  });
  refuseOtherMethods(app, PERMISSIONS_PATH, ["GET", "POST"]);

  app.get(LIMITS_PATH, { onRequest: callerOrAdministrator(parts) }, async (request, reply) => {
    const asked = readPage(request, reply, []);
    const { workspace, workspaceId, mayCall } = request.caller;
    const limits = await parts.limitsOf(workspaceId).catch(hideWorkspace);
    const cards = directory.list().filter(({ name }) => mayCall(name) && asked.fits(name));
    const quotas = asked.cut(cards).map(({ name }) => quotaOf(name, workspace, limits));
    answer(request, reply, { ...asked.of(cards), quotas } satisfies ModelLimits["output"]);
  });
  refuseOtherMethods(app, LIMITS_PATH, ["GET"]);
}

/** A caller is its own workspace; an administrator is whichever one it names. */
function callerOrAdministrator(parts: NativeModelParts) {
  return async (request: FastifyRequest): Promise<void> => {
    const administrator = parts.administrators.find(request.headers);
    if (administrator === undefined) return parts.guard(request);
    const named = namedWorkspace(request, parts);
    const { id } = await findWorkspace(administrator.store, named).catch(hideWorkspace);
    const mayCall = await grantedTo(administrator.store, id).catch(hideWorkspace);
    const workspace = id === DEFAULT_WORKSPACE ? parts.workspace : id;
    request.caller = { workspace, workspaceId: id, key: administrator.actor, mayCall };
    request.record.key = administrator.actor;
  };
}

/** A key that may call models is told that this needs another one. */
function administratorOnly({ administrators, guard }: NativeModelParts) {
  return async (request: FastifyRequest): Promise<void> => {
    const administrator = administrators.find(request.headers);
    if (administrator === undefined) {
      await guard(request);
      const advice = "Access denied: changing permissions needs an admin key (CONTINUO_ADMIN_KEY or `admin_keys:`).";
      throw new ServiceError("admin_denied", advice);
    }
    request.record.key = administrator.actor;
  };
}

function namedWorkspace({ headers }: FastifyRequest, { workspace }: NativeModelParts): string {
  const named = headers["x-dashscope-workspace"];
  if (named === undefined || named === "" || named === workspace) return DEFAULT_WORKSPACE;
  return String(named);
}

/** docs/wire.md 6.3: one that is not there is answered like one that is not the caller's. */
function hideWorkspace(error: unknown): never {
  const told = asServiceError(error);
  if (!(told instanceof ServiceError && told.code === "not_found")) throw told;
  throw new ServiceError("workspace_denied", "Workspace access denied.", { cause: error });
}

async function changePermissions(
  administrator: Administrator,
  workspace: string,
  { models, access_all_entities: all }: PermissionChange,
): Promise<void> {
  const named = (inference: boolean) =>
    (models ?? []).filter((each) => each.inference === inference).map(({ model }) => model);
  await changeGrants(administrator, workspace, {
    ...(all === "OPEN" || all === "CLOSE" ? { all } : {}),
    add: named(true),
    remove: named(false),
  }).catch((error: unknown) => {
    const told = asServiceError(error);
    if (!(told instanceof ServiceError)) throw told;
    if (told.code === "not_found") hideWorkspace(error);
    throw wrong("models", told.message);
  });
}

function readChange(body: Readonly<Record<string, unknown>>): PermissionChange {
  const parsed = permissionChange.safeParse(body);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const field = issue?.path.join(".") ?? "";
    throw wrong(field, `${field}: ${issue?.message ?? "not as expected"}`);
  }
  const { models, access_all_entities: all } = parsed.data;
  if ((models ?? []).length === 0 && (all ?? "KEEP") === "KEEP") {
    throw wrong("models", "Range of models should be [1, 20]");
  }
  const beyond = (models ?? []).find(
    (each) => each.finetune === true || each.fine_tune === true || each.deploy === true,
  );
  if (beyond !== undefined) {
    throw new ServiceError("unsupported_operation", `${beyond.model}: only inference is offered here`);
  }
  return parsed.data;
}

/** One page of what is asked for, as far as the query says. */
interface Page {
  readonly values: Readonly<Record<string, string>>;
  fits(name: string): boolean;
  of(all: readonly ModelCard[]): { readonly total: number; readonly page_no: number; readonly page_size: number };
  cut(all: readonly ModelCard[]): readonly ModelCard[];
}

/** @param more fields that this call has besides. All others have no effect, and the answer's header says so. */
function readPage({ query }: FastifyRequest, reply: FastifyReply, more: readonly string[]): Page {
  const entries = Object.entries(query as Readonly<Record<string, string | string[]>>);
  const known = ["name", "model", "page_no", "page_size", ...more];
  const ignored = entries.filter(([field]) => !known.includes(field)).map(([field]) => field);
  if (ignored.length > 0) reply.headers(ignoredHeader(ignored));
  const twice = entries.find(([field, value]) => known.includes(field) && typeof value !== "string")?.[0];
  if (twice !== undefined) throw wrong(twice, `${twice} should be given once`);
  const values = Object.fromEntries(entries.filter(([, value]) => value !== "")) as Record<string, string>;
  const page_no = integer(values, "page_no", 1, 1_000_000);
  const page_size = integer(values, "page_size", 20, 200);
  const { name, model } = values;
  return {
    values,
    fits: (each) =>
      (model === undefined || each === model) &&
      (name === undefined || each.toLowerCase().includes(name.toLowerCase())),
    of: ({ length }) => ({ total: length, page_no, page_size }),
    cut: (all) => all.slice((page_no - 1) * page_size, page_no * page_size),
  };
}

function integer(values: Readonly<Record<string, string>>, field: string, absent: number, most: number): number {
  const text = values[field];
  if (text === undefined) return absent;
  const value = Number(text);
  if (/^\d{1,7}$/.test(text) && value >= 1 && value <= most) return value;
  throw wrong(field, `Range of ${field} should be [1, ${most}]`);
}

function modelOf({ name, contextTokens, maxInputTokens, maxOutputTokens }: ModelCard) {
  return {
    ...{ model: name, name },
    inference_metadata: { request_modality: ["Text"], response_modality: ["Text"] },
    model_info: {
      context_window: known(contextTokens),
      max_input_tokens: known(maxInputTokens),
      max_output_tokens: known(maxOutputTokens),
    },
  };
}

/** Only inference can be granted here. */
function permissionOf(name: string, inference: boolean) {
  return { model: name, name, permissions: { inference, fine_tune: false as const, deploy: false as const } };
}

/** Where several limits fit, all of them hold, so the smallest figure is the bound. */
function quotaOf(model: string, workspace_id: string, limits: readonly PatternLimit[]) {
  const fitting = limits.filter(({ pattern }) => fits(pattern, model));
  const requests = smallest(fitting.map(({ requestsPerMinute }) => requestsPerMinute));
  const tokens = smallest(fitting.map(({ tokensPerMinute }) => tokensPerMinute));
  const isBounded = requests !== null || tokens !== null;
  const model_limit = rateLimitOf(null, null);
  return { model, workspace_id, model_limit, workspace_limit: isBounded ? rateLimitOf(requests, tokens) : null };
}

function smallest(figures: readonly (number | null)[]): number | null {
  const bounds = figures.filter((figure) => figure !== null);
  return bounds.length === 0 ? null : Math.min(...bounds);
}

function rateLimitOf(request_limit: number | null, usage_limit: number | null) {
  const period = 60 as const;
  return {
    ...{ request_limit, request_limit_period: period },
    ...{ usage_limit, usage_limit_field: "total_tokens" as const, usage_limit_period: period },
  };
}

/** A bound that only the weights know is infinite until they are loaded. */
function known(bound: number): number | null {
  return Number.isFinite(bound) ? bound : null;
}

/** The algorithm layer has nothing to do with these: their messages have no prefix. */
function wrong(param: string, message: string): ServiceError {
  return new ServiceError("invalid_value", message, { param });
}

function answer(request: FastifyRequest, reply: FastifyReply, output: unknown): void {
  const body = { request_id: request.id, code: null, message: null, success: true, output };
  reply.type("application/json").send(Buffer.from(JSON.stringify(body)));
}
