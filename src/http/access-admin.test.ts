/** Who administers, over a socket and with real stores: every case on every operation, and on permissions. */
import { describe, expect, test } from "vitest";
import {
  ADMIN_KEY,
  bearer,
  CASES,
  expectRefusal,
  PLAIN_AND_STREAMED,
  servingKeys,
  WRONG_KEY,
} from "../../test/support/access-cases.ts";
import { type Answer, get, post } from "../../test/support/calls.ts";
import { STORES } from "../../test/support/stores.ts";
import type { Administrator } from "../accounts/administration.ts";

const NO_ADMINISTRATORS = Object.entries(CASES).filter(([name]) => name !== "an admin key");

/** Every operation of administrators, with input that would be taken. */
const ADMIN_CALLS = [
  ["GET", "/admin/workspaces"],
  ["POST", "/admin/workspaces", { name: "new" }],
  ["PATCH", "/admin/workspaces/team", { name: "new" }],
  ["DELETE", "/admin/workspaces/team?withKeys=true"],
  ["GET", "/admin/keys"],
  ["POST", "/admin/keys", {}],
  ["POST", "/admin/keys/KEY/rotate"],
  ["POST", "/admin/keys/KEY/disable"],
  ["POST", "/admin/keys/KEY/enable"],
  ["DELETE", "/admin/keys/KEY"],
  ["GET", "/admin/grants"],
  ["POST", "/admin/grants", { workspace: "team", models: ["n"] }],
  ["DELETE", "/admin/grants?workspace=team&models=m*"],
  ["GET", "/admin/limits"],
  ["POST", "/admin/limits", { workspace: "team", models: ["m"], requestsPerMinute: 1 }],
  ["DELETE", "/admin/limits?workspace=team&models=m"],
  ["GET", "/admin/usage"],
  ["GET", "/admin/audit"],
] as const;

describe.each(STORES)("with keys in %s", (_name, stores) => {
  const serving = servingKeys(stores());

  test.each(NO_ADMINISTRATORS)("%s administers nothing", async (_case, each) => {
    const { url, keys, engine, store } = await serving();
    const before = await stateOf(store);

    for (const asked of PLAIN_AND_STREAMED) {
      for (const [method, template, body] of ADMIN_CALLS) {
        const path = template.replace("KEY", keys.mainId);
        const answer = await send(url, method, path, { ...each.headers(keys), ...asked }, body);
        expectRefusal(answer, each.asAdmin ?? WRONG_KEY, path);
      }
    }

    expect(await stateOf(store)).toEqual(before);
    expect(engine.calls).toEqual([]);
  });

  test("an admin key is taken on every call of administrators", async () => {
    const { url, keys } = await serving();

    for (const [method, template, body] of ADMIN_CALLS) {
      const answer = await send(url, method, template.replace("KEY", keys.mainId), bearer(ADMIN_KEY), body);
      expect([401, 403], `${method} ${template}`).not.toContain(answer.status);
    }
  });

  test.each(NO_ADMINISTRATORS)("%s changes no permissions", async (_case, each) => {
    const { url, keys, store } = await serving();
    const before = await stateOf(store);
    const path = "/api/v1/models/permissions";
    const headers = each.headers(keys);

    for (const asked of PLAIN_AND_STREAMED) {
      const shown = await get(url, `${path}?authorization_scope=AUTHORIZED`, { ...headers, ...asked });
      const changed = await post(url, path, { models: [{ model: "n", inference: true }] }, { ...headers, ...asked });

      if (each.models === undefined && each.refusal !== undefined) {
        expectRefusal(shown, each.refusal, path);
        expectRefusal(changed, each.refusal, path);
      } else {
        const names = shown.json.output.permissions.map(({ model }: { readonly model: string }) => model);
        expect(names).toEqual(each.models);
        expect([changed.status, changed.json.code]).toEqual([403, "AccessDenied"]);
      }
    }

    expect(await stateOf(store)).toEqual(before);
  });
});

/** Everything that is stored, without when keys were used. */
async function stateOf(store: Administrator["store"]): Promise<unknown> {
  const keys = await store.selectFrom("api_keys").selectAll().orderBy("id").execute();
  return [
    keys.map(({ last_used_at_ms: _, ...key }) => key),
    await store.selectFrom("workspaces").selectAll().orderBy("id").execute(),
    await store.selectFrom("model_grants").selectAll().orderBy("workspace_id").orderBy("pattern").execute(),
    await store.selectFrom("audit_records").selectAll().orderBy("id").execute(),
  ];
}

async function send(
  url: string,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body?: unknown,
): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: JSON.parse(text) };
}
