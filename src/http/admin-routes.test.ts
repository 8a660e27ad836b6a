/** The administration API: what it does, and what it says when it does not. */
import { describe, expect, test } from "vitest";
import { openToAll } from "../../test/support/authenticators.ts";
import { type Answer, get, post } from "../../test/support/calls.ts";
import { ScriptedEngine } from "../../test/support/scripted-engine.ts";
import { serve } from "../../test/support/scripted-service.ts";
import { freshLibsql, STORES } from "../../test/support/stores.ts";
import { listAuditRecords } from "../accounts/audit.ts";
import { StoredKeys } from "../accounts/stored-keys.ts";
import { authenticatorFor } from "./auth.ts";

const START_MS = 1_790_000_000_000;
const ADMIN = { authorization: "Bearer admin-secret-of-ops" };

type Store = Awaited<ReturnType<typeof freshLibsql>>;

async function serving(store: Store) {
  const now = () => START_MS;
  const stored = new StoredKeys(store, now);
  const administration = { store, now, keys: [{ key: "admin-secret-of-ops", label: "ops" }] };
  const authenticator = authenticatorFor({ configured: [], stored, workspace: "default", mayBeOpen: false });
  return serve(new ScriptedEngine(() => []), { authenticator, administration });
}

async function send(url: string, method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: ADMIN,
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: JSON.parse(text) };
}

describe.each(STORES)("the administration API over %s", (_name, stores) => {
  const freshStore = stores();

  test("does what the commands do, and leaves records that name the admin key", async () => {
    const store = await freshStore();
    const { url } = await serving(store);

    const team = await send(url, "POST", "/admin/workspaces", { name: "team" });
    expect([team.status, team.json]).toEqual([
      201,
      { id: expect.stringMatching(/^ws_/), name: "team", createdAtMs: START_MS },
    ]);
    const grants = await send(url, "POST", "/admin/grants", { workspace: "team", models: ["m", "qwen-*"] });
    expect(grants.json.grants.map(({ pattern }: { readonly pattern: string }) => pattern)).toEqual(["m", "qwen-*"]);
    const created = await send(url, "POST", "/admin/keys", { workspace: "team", label: "ci", expiresInMs: 1000 });
    expect([created.status, created.json]).toEqual([
      201,
      {
        id: expect.stringMatching(/^key_/),
        key: expect.stringMatching(/^sk-[0-9a-f]{32}$/),
        expiresAtMs: START_MS + 1000,
      },
    ]);
    const { id, key } = created.json;
    expect((await get(url, "/v1/models", { authorization: `Bearer ${key}` })).json.data).toHaveLength(1);

    const rotated = await send(url, "POST", `/admin/keys/${id}/rotate`, { overlapMs: 0 });
    expect(rotated.status).toBe(201);
    expect((await send(url, "POST", `/admin/keys/${rotated.json.id}/disable`)).json).toEqual({
      id: rotated.json.id,
      change: "disable",
    });
    expect((await send(url, "POST", `/admin/keys/${rotated.json.id}/enable`)).status).toBe(200);
    expect((await send(url, "DELETE", `/admin/keys/${id}`)).json).toEqual({ id, change: "delete" });
    expect((await send(url, "GET", "/admin/keys?workspace=team")).json.keys).toEqual([
      expect.objectContaining({ id: rotated.json.id, label: "ci", state: "active", workspace: "team" }),
    ]);
    const fewer = await send(url, "DELETE", "/admin/grants?workspace=team&models=m");
    expect(fewer.json.grants).toMatchObject([{ pattern: "qwen-*" }]);
    expect((await send(url, "PATCH", "/admin/workspaces/team", { name: "crew" })).json.name).toBe("crew");
    const refused = await send(url, "DELETE", "/admin/workspaces/crew");
    expect([refused.status, refused.json.error.code]).toEqual([409, "conflict"]);
    expect((await send(url, "DELETE", "/admin/workspaces/crew?withKeys=true")).json).toMatchObject({ deletedKeys: 1 });
    expect((await send(url, "GET", "/admin/workspaces")).json.workspaces).toMatchObject([{ id: "default" }]);

    const { records } = (await send(url, "GET", "/admin/audit?last=1000")).json;
    expect(new Set(records.map(({ actor }: { readonly actor: string }) => actor))).toEqual(new Set(["admin:ops"]));
    expect(records).toHaveLength(12);
    expect(JSON.stringify(records)).not.toContain(key);
  });

  test("rotates without a body; the old key then stays for a day", async () => {
    const { url } = await serving(await freshStore());
    const { id } = (await send(url, "POST", "/admin/keys", {})).json;

    expect((await send(url, "POST", `/admin/keys/${id}/rotate`)).status).toBe(201);
    const { keys } = (await send(url, "GET", "/admin/keys")).json;
    expect(keys).toHaveLength(2);
    expect(keys.find((key: { readonly id: string }) => key.id === id).expiresAtMs).toBe(START_MS + 86_400_000);
  });
});

test("limits are set, listed and removed, and usage is summed up", async () => {
  const { url } = await serving(await freshLibsql());
  await send(url, "POST", "/admin/workspaces", { name: "team" });
  const figures = { requestsPerMinute: 60, concurrentRequests: 4 };

  const set = await send(url, "POST", "/admin/limits", { workspace: "team", models: ["m", "qwen-*"], ...figures });
  expect(set.json.limits).toMatchObject(
    ["m", "qwen-*"].map((pattern) => ({ pattern, ...figures, tokensPerMinute: null })),
  );
  const less = { workspace: "team", models: ["m"], concurrentRequests: null };
  expect((await send(url, "POST", "/admin/limits", less)).json.limits[0]).toMatchObject({
    ...{ requestsPerMinute: 60, concurrentRequests: null },
  });
  const left = await send(url, "DELETE", "/admin/limits?workspace=team&models=m");
  expect(left.json.limits).toMatchObject([{ pattern: "qwen-*" }]);
  expect((await send(url, "GET", "/admin/usage?by=day&sinceMs=0")).json).toEqual({ by: "day", usage: [] });
  await send(url, "DELETE", "/admin/workspaces/team");
  expect((await send(url, "GET", "/admin/limits")).json).toEqual({ limits: [] });
});

test.each([
  ["POST", "/admin/limits", { workspace: "default", models: ["m"] }, 400, null, "would bound nothing"],
  ["POST", "/admin/limits", { workspace: "default", models: ["m"], monthlyTokens: 0 }, 400, "monthlyTokens", "from 1"],
  ["DELETE", "/admin/limits?workspace=default&models=m", undefined, 404, "models", "has no limit"],
  ["GET", "/admin/usage?by=hour", undefined, 400, "by", "expected model, key, day or workspace"],
  ["GET", "/admin/usage?sinceMs=-1", undefined, 400, "sinceMs", "expected epoch milliseconds"],
  ["POST", "/admin/keys", { label: 5 }, 400, "label", "label: expected a label"],
  ["POST", "/admin/keys", { expiresInMs: 0 }, 400, "expiresInMs", "from 1 to"],
  [
    "POST",
    "/admin/keys",
    { expires_in_ms: 5 },
    400,
    "expires_in_ms",
    "the fields here are workspace, label, expiresInMs",
  ],
  ["POST", "/admin/keys", { workspace: "none" }, 404, "workspace", "`continuo workspaces list` shows them all"],
  ["POST", "/admin/keys", { label: `sk-${"0".repeat(32)}` }, 400, "label", "that is no key"],
  ["POST", "/admin/keys", "[]", 400, null, "Required body invalid"],
  ["POST", "/admin/workspaces", {}, 400, "name", "found nothing"],
  ["POST", "/admin/workspaces", { name: "x".repeat(31) }, 400, "name", "1 to 30 characters"],
  ["POST", "/admin/workspaces", { name: "default" }, 409, "name", "choose another name"],
  ["PATCH", "/admin/workspaces/default", { name: "main" }, 409, "workspace", "cannot be renamed"],
  ["PATCH", "/admin/workspaces/a", { name: "b", workspace: "c" }, 400, "workspace", "leave it out of the body"],
  ["DELETE", "/admin/workspaces/default?withKeys=yes", undefined, 400, "withKeys", "expected true or false"],
  ["DELETE", "/admin/keys/key_none", undefined, 404, "id", "`continuo keys list` shows them all"],
  ["DELETE", "/admin/keys/%00", undefined, 400, "id", "on one line"],
  ["POST", "/admin/grants", { workspace: "default", models: ["m"] }, 400, "workspace", "may call every model"],
  ["POST", "/admin/grants", { workspace: "default", models: [] }, 400, "models", "at least one model"],
  ["GET", "/admin/audit?last=0", undefined, 400, "last", "from 1 to 1000"],
  ["GET", "/admin/keys?workspace=a&workspace=b", undefined, 400, "workspace", "expected a workspace"],
  ["GET", "/admin/nothing", undefined, 404, null, "There is no GET /admin/nothing here"],
  ["PUT", "/admin/keys", {}, 405, null, "Request method 'PUT' is not supported."],
])(
  "%s %s %j is refused with %i, the field and what was expected",
  async (method, path, body, status, param, message) => {
    const store = await freshLibsql();
    const { url } = await serving(store);

    const { json, headers, ...answer } = await send(url, method, path, body);

    expect(answer.status).toBe(status);
    expect(json).toEqual({
      error: { message: expect.stringContaining(message), type: expect.any(String), param, code: expect.any(String) },
      request_id: headers.get("x-request-id"),
    });
    expect(await listAuditRecords(store, 10)).toEqual([]);
  },
);

test("answers are not to be stored by anybody on the way, refusals neither", async () => {
  const { url } = await serving(await freshLibsql());

  for (const headers of [ADMIN, {}]) {
    expect((await get(url, "/admin/keys", headers)).headers.get("cache-control")).toBe("no-store");
  }
});

test("without an admin key everybody is refused, and told what to do", async () => {
  const { url } = await serve(new ScriptedEngine(() => []), { authenticator: openToAll("default") });

  const { status, json } = await post(url, "/admin/keys", {}, ADMIN);

  expect(status).toBe(403);
  expect(json.error).toMatchObject({ code: "access_denied", message: expect.stringContaining("CONTINUO_ADMIN_KEY") });
});

test("neither keys nor admin keys are in the log, whatever they were put into", async () => {
  const { url, entries, entry, metrics } = await serving(await freshLibsql());
  const { key } = (await send(url, "POST", "/admin/keys", {})).json;

  const answers = [
    await send(url, "DELETE", `/admin/keys/${key}`),
    await send(url, "POST", "/admin/workspaces", { name: key }),
    await send(url, "GET", `/admin/grants?workspace=${key}`),
    await send(url, "GET", `/admin/${key}`),
    await post(url, "/v1/completions", { model: key, prompt: "a" }, { authorization: `Bearer ${key}` }),
    await get(url, `/v1/models/${key}`, { authorization: `Bearer ${key}` }),
    await get(url, `/${key}`),
  ];
  await entry(({ path }) => path === "/sk-…");

  const said = [JSON.stringify(entries), await metrics.registry.metrics()].join();
  expect(said).not.toContain(key);
  expect(said).not.toContain("admin-secret-of-ops");
  expect(said).toContain("admin:ops");
  for (const { text } of answers.slice(0, 4)) expect(text).not.toContain(key);
});
