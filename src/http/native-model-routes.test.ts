/** DashScope's calls about models (docs/wire.md 7.4). */
import { describe, expect, test } from "vitest";
import { get, post } from "../../test/support/calls.ts";
import { ScriptedEngine, scriptedCard } from "../../test/support/scripted-engine.ts";
import { serve } from "../../test/support/scripted-service.ts";
import { freshLibsql, STORES } from "../../test/support/stores.ts";
import type { Administrator } from "../accounts/administration.ts";
import { addGrants, listGrants } from "../accounts/grants.ts";
import { createKey } from "../accounts/keys.ts";
import { changeLimits, listLimits } from "../accounts/limits.ts";
import { StoredKeys } from "../accounts/stored-keys.ts";
import { createWorkspace } from "../accounts/workspaces.ts";
import { authenticatorFor } from "./auth.ts";

const PERMISSIONS = "/api/v1/models/permissions";
const ADMIN = { authorization: "Bearer the-key-of-ops" };
const NAMES = ["Qwen-Max", "qwen-plus", "qwen-turbo", "other"];

async function serving(freshStore = freshLibsql) {
  const ada: Administrator = { store: await freshStore(), actor: "ada", now: () => 1_790_000_000_000 };
  const { id: team } = await createWorkspace(ada, "team");
  await addGrants(ada, "team", ["qwen-plus"]);
  const { secret } = await createKey(ada, { workspace: "team" });
  const stored = new StoredKeys(ada.store, ada.now);
  const authenticator = authenticatorFor({ configured: [], stored, workspace: "llm-main", mayBeOpen: true });
  const administration = { store: ada.store, now: ada.now, keys: [{ key: "the-key-of-ops", label: "ops" }] };
  const cards = NAMES.map((name) => scriptedCard(name));
  const { url } = await serve(new ScriptedEngine(() => []), {
    ...{ authenticator, administration, cards, workspace: "llm-main" },
    limitsOf: (workspaceId) => listLimits(ada, workspaceId),
  });
  const patterns = async () => (await listGrants(ada.store, "team")).map(({ pattern }) => pattern);
  const change = (body: unknown, workspace = team) =>
    post(url, PERMISSIONS, body, { ...ADMIN, "x-dashscope-workspace": workspace });
  return { ada, url, team, caller: { authorization: `Bearer ${secret}` }, patterns, change };
}

test("the list of models has the caller's, in DashScope's envelope", async () => {
  const { url, caller } = await serving();

  const { json, headers } = await get(url, "/api/v1/models", caller);

  expect(json).toEqual({
    request_id: headers.get("x-request-id"),
    ...{ code: null, message: null, success: true },
    output: {
      ...{ total: 1, page_no: 1, page_size: 20 },
      models: [
        {
          ...{ model: "qwen-plus", name: "qwen-plus" },
          inference_metadata: { request_modality: ["Text"], response_modality: ["Text"] },
          model_info: { context_window: 4096, max_input_tokens: 4000, max_output_tokens: 2048 },
        },
      ],
    },
  });
});

describe("permissions", () => {
  const shown = async (query: string, headers?: Readonly<Record<string, string>>) => {
    const { url, caller } = await serving();
    const { json } = await get(url, `${PERMISSIONS}${query}`, headers ?? caller);
    const { permissions, ...page } = json.output;
    const rights = permissions.map(
      ({ model, permissions: right }: { model: string; permissions: { inference: boolean } }) => [
        model,
        right.inference,
      ],
    );
    return { page, rights };
  };

  test("are those of the caller's workspace, for all models or for those that may be called", async () => {
    const all = await shown("");
    expect(all.page).toEqual({ total: 4, page_no: 1, page_size: 20 });
    expect(all.rights).toEqual([
      ["Qwen-Max", false],
      ["qwen-plus", true],
      ["qwen-turbo", false],
      ["other", false],
    ]);
    expect((await shown("?authorization_scope=AUTHORIZED&action=INFERENCE")).rights).toEqual([["qwen-plus", true]]);
  });

  test("are searched by a part of the name or by the whole, and come in pages", async () => {
    expect((await shown("?name=QWEN")).rights).toHaveLength(3);
    expect((await shown("?model=other")).rights).toEqual([["other", false]]);
    const second = await shown("?page_no=2&page_size=3");
    expect(second).toEqual({ page: { total: 4, page_no: 2, page_size: 3 }, rights: [["other", false]] });
  });

  test("of the default workspace are everything, for an admin key that names no other", async () => {
    expect((await shown("?authorization_scope=AUTHORIZED", ADMIN)).page.total).toBe(4);
    const named = { ...ADMIN, "x-dashscope-workspace": "llm-main" };
    expect((await shown("?authorization_scope=AUTHORIZED", named)).page.total).toBe(4);
  });

  test("are granted and taken back by name", async () => {
    const { change, patterns, url, caller } = await serving();
    const models = [
      { model: "qwen-turbo", inference: true, finetune: false },
      { model: "qwen-plus", inference: false },
      { model: "other", inference: null },
    ];

    const { status, json, headers } = await change({ models });

    expect([status, json]).toEqual([
      200,
      { request_id: headers.get("x-request-id"), code: null, message: null, success: true, output: null },
    ]);
    expect(await patterns()).toEqual(["qwen-turbo"]);
    expect((await get(url, "/api/v1/models", caller)).json.output.models).toMatchObject([{ model: "qwen-turbo" }]);
  });

  test("for everything are given, kept and taken back at once", async () => {
    const { change, patterns } = await serving();

    await change({ access_all_entities: "OPEN" });
    expect(await patterns()).toEqual(["*", "qwen-plus"]);
    await change({ access_all_entities: "KEEP", models: [{ model: "qwen-turbo", inference: true }] });
    expect(await patterns()).toEqual(["*", "qwen-plus"]);
    const narrower = await change({ models: [{ model: "qwen-plus", inference: false }] });
    expect(narrower.json).toMatchObject({
      code: "InvalidParameter",
      message: expect.stringContaining('the pattern "*"'),
    });
    expect(await patterns()).toEqual(["*", "qwen-plus"]);
    await change({ access_all_entities: "CLOSE" });
    expect(await patterns()).toEqual([]);
  });

  test.each([
    [{}, 400, "InvalidParameter", "Range of models should be [1, 20]"],
    [{ models: [] }, 400, "InvalidParameter", "Range of models should be [1, 20]"],
    [{ models: Array(21).fill({ model: "m" }) }, 400, "InvalidParameter", "models: expected at most 20 models"],
    [{ models: [{ model: "a*" }] }, 400, "InvalidParameter", "models.0.model: expected the name of a model"],
    [{ models: [{ model: "m", inference: "yes" }] }, 400, "InvalidParameter", "models.0.inference: expected true"],
    [{ models: [{ model: "m", deploy: true }] }, 400, "UnsupportedOperation", "only inference is offered here"],
    [{ access_all_entities: "open" }, 400, "InvalidParameter", "expected OPEN, CLOSE or KEEP"],
  ])("are not changed by %j", async (body, status, code, message) => {
    const { change, patterns } = await serving();

    const answer = await change(body);

    expect([answer.status, answer.json.code]).toEqual([status, code]);
    expect(answer.json.message).toContain(message);
    expect(await patterns()).toEqual(["qwen-plus"]);
  });

  test("of a workspace that is not there are answered like those of somebody else's", async () => {
    const { url, change } = await serving();
    const body = { models: [{ model: "m", inference: true }] };

    const seen = await get(url, PERMISSIONS, { ...ADMIN, "x-dashscope-workspace": "ws_none" });
    const changed = await change(body, "ws_none");

    expect([seen.json.code, changed.json.code]).toEqual(["Workspace.AccessDenied", "Workspace.AccessDenied"]);
    expect((await change(body, "llm-main")).json).toMatchObject({ code: "InvalidParameter" });
  });

  test.each([
    ["page_size=201", "Range of page_size should be [1, 200]"],
    ["page_no=0", "Range of page_no should be [1, 1000000]"],
    ["page_no=1&page_no=2", "page_no should be given once"],
    ["authorization_scope=ALL", "authorization_scope should be AUTHORIZABLE or AUTHORIZED"],
  ])("are not shown for ?%s", async (query, message) => {
    const { url, caller } = await serving();

    const { status, json } = await get(url, `${PERMISSIONS}?${query}`, caller);

    expect([status, json.code, json.message]).toEqual([400, "InvalidParameter", message]);
  });

  test("say which filters had no effect", async () => {
    const { url, caller } = await serving();

    const { headers } = await get(url, "/api/v1/models?capabilities=TG", caller);

    expect(headers.get("x-continuo-ignored")).toBe("capabilities");
  });
});

describe.each(STORES)("limits in %s", (_name, stores) => {
  const freshStore = stores();
  const LIMITS = "/api/v1/models/limits";
  const minute = (request_limit: number | null, usage_limit: number | null) => ({
    ...{ request_limit, request_limit_period: 60 },
    ...{ usage_limit, usage_limit_field: "total_tokens", usage_limit_period: 60 },
  });

  test("are the smallest that fit each model that the workspace may call", async () => {
    const { ada, url, team, caller } = await serving(freshStore);
    await addGrants(ada, "team", ["other"]);
    await changeLimits(ada, "team", [
      { pattern: "*", set: { monthlyTokens: 9 } },
      { pattern: "qwen-*", set: { requestsPerMinute: 60, tokensPerMinute: 10_000 } },
      { pattern: "qwen-plus", set: { requestsPerMinute: 90, tokensPerMinute: 4_000 } },
    ]);
    await changeLimits(ada, "default", [{ pattern: "*", set: { requestsPerMinute: 1 } }]);

    const { json, headers } = await get(url, LIMITS, caller);

    const account = { workspace_id: team, model_limit: minute(null, null) };
    expect(json).toEqual({
      request_id: headers.get("x-request-id"),
      ...{ code: null, message: null, success: true },
      output: {
        ...{ total: 2, page_no: 1, page_size: 20 },
        quotas: [
          { model: "qwen-plus", ...account, workspace_limit: minute(60, 4_000) },
          { model: "other", ...account, workspace_limit: null },
        ],
      },
    });
  });

  test("of any workspace are shown to an admin key, searched and in pages", async () => {
    const { ada, url, team } = await serving(freshStore);
    await changeLimits(ada, "team", [{ pattern: "qwen-plus", set: { tokensPerMinute: 5 } }]);
    const shown = async (query: string, workspace: string) =>
      (await get(url, `${LIMITS}${query}`, { ...ADMIN, "x-dashscope-workspace": workspace })).json;

    const quota = { model: "qwen-plus", workspace_id: team, model_limit: minute(null, null) };
    for (const named of [team, "team"]) {
      expect((await shown("", named)).output.quotas).toEqual([{ ...quota, workspace_limit: minute(null, 5) }]);
    }
    const second = await shown("?name=QWEN&page_no=2&page_size=2", "");
    expect(second.output).toMatchObject({ total: 3, page_no: 2, page_size: 2 });
    expect(second.output.quotas).toMatchObject([
      { model: "qwen-turbo", workspace_id: "llm-main", workspace_limit: null },
    ]);
    expect((await shown("", "ws_none")).code).toBe("Workspace.AccessDenied");
    expect(await shown("?page_size=201", team)).toMatchObject({
      ...{ code: "InvalidParameter", message: "Range of page_size should be [1, 200]" },
    });
  });
});
