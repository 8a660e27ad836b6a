/** Who is let in, over a socket and with real stores: every case on every route, plain and streamed. */
import { describe, expect, test } from "vitest";
import { type Answer, CHAT, COMPLETIONS, get, NATIVE, post } from "../../test/support/calls.ts";
import { ScriptedEngine, saying, scriptedCard } from "../../test/support/scripted-engine.ts";
import { serve } from "../../test/support/scripted-service.ts";
import { STORES } from "../../test/support/stores.ts";
import type { Administrator } from "../accounts/administration.ts";
import { addGrants } from "../accounts/grants.ts";
import { createKey, deleteKey, disableKey } from "../accounts/keys.ts";
import { StoredKeys } from "../accounts/stored-keys.ts";
import { createWorkspace } from "../accounts/workspaces.ts";
import { authenticatorFor } from "./auth.ts";

/** What a case gets: status, then code, type and message on each wire. `hasId`: raised behind the gateway. */
interface Refusal {
  readonly status: number;
  readonly native: { readonly code: string; readonly message: string };
  readonly openAi: { readonly code: string; readonly type: string; readonly message: string };
  readonly hasId: boolean;
}

const refusedKey = (native: string, openAi: string): Refusal => ({
  status: 401,
  native: { code: "InvalidApiKey", message: native },
  openAi: { code: "invalid_api_key", type: "invalid_request_error", message: openAi },
  hasId: false,
});
const denied = (code: string, message: string): Refusal => ({
  status: 403,
  native: { code, message },
  openAi: { code, type: code, message },
  hasId: true,
});
const NO_KEY = refusedKey(
  "No API-key provided.",
  "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
);
const WRONG_KEY = refusedKey("Invalid API-key provided.", "Incorrect API key provided.");
const EXPIRED = refusedKey("invalid access token or token expired", "invalid access token or token expired");
const WRONG_WORKSPACE = denied("Workspace.AccessDenied", "Workspace access denied.");
const NO_GRANT = denied("Model.AccessDenied", "Model access denied.");

/** Absent `refusal`: answered. */
interface Case {
  readonly headers: (keys: Keys) => Readonly<Record<string, string>>;
  readonly refusal?: Refusal;
  /** What the model routes show. */
  readonly models?: readonly string[];
  /** On the calls of administrators, where no key that calls models counts. Absent: as a wrong key. */
  readonly asAdmin?: Refusal;
}

const ADMIN_KEY = "the-key-of-ops";

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

const CASES: Readonly<Record<string, Case>> = {
  "no key": { headers: () => ({}), refusal: NO_KEY, asAdmin: NO_KEY },
  "a key in another header": {
    headers: ({ main }) => ({ "x-api-key": main, "api-key": main }),
    refusal: NO_KEY,
    asAdmin: NO_KEY,
  },
  "a malformed header": { headers: ({ main }) => ({ authorization: main }), refusal: WRONG_KEY },
  "a malformed key": { headers: () => bearer("sk-%00'--"), refusal: WRONG_KEY },
  "an unknown key": { headers: () => bearer(`sk-${"0".repeat(32)}`), refusal: WRONG_KEY },
  "a disabled key": { headers: ({ disabled }) => bearer(disabled), refusal: WRONG_KEY },
  "a deleted key": { headers: ({ deleted }) => bearer(deleted), refusal: WRONG_KEY },
  "an expired key": { headers: ({ expired }) => bearer(expired), refusal: EXPIRED },
  "another workspace in the header": {
    headers: ({ team }) => ({ ...bearer(team), "x-dashscope-workspace": "default" }),
    refusal: WRONG_WORKSPACE,
  },
  "an unknown workspace in the header": {
    headers: ({ main }) => ({ ...bearer(main), "X-DashScope-WorkSpace": "ws_unknown" }),
    refusal: WRONG_WORKSPACE,
  },
  "no grant": { headers: ({ other }) => bearer(other), refusal: NO_GRANT, models: [] },
  "a grant": { headers: ({ team }) => bearer(team), models: ["m"] },
  "a grant, and its own workspace in the header": {
    headers: ({ team, teamId }) => ({ ...bearer(team), "x-dashscope-workspace": teamId }),
    models: ["m"],
  },
  "the default workspace": { headers: ({ main }) => bearer(main), models: ["m", "n"] },
  "the default workspace in the header": {
    headers: ({ main }) => ({ ...bearer(main), "x-dashscope-workspace": "default" }),
    models: ["m", "n"],
  },
  "a key of the configuration": { headers: () => bearer("sk-configured"), models: ["m", "n"] },
  "an admin key": { headers: () => bearer(ADMIN_KEY), refusal: WRONG_KEY },
};

/** Whoever asks for a stream where there is none gets the plain answer. */
const STREAMED = { "x-dashscope-sse": "enable", accept: "text/event-stream" };
const PLAIN_AND_STREAMED = [{}, STREAMED];

const NO_ADMINISTRATORS = Object.entries(CASES).filter(([name]) => name !== "an admin key");

const MESSAGES = [{ role: "user", content: "hello" }];

/** Every continuation route, plain and streamed, with a body that would be answered. */
const CALLS = [
  { path: COMPLETIONS, body: { prompt: "a" } },
  { path: COMPLETIONS, body: { prompt: "a", stream: true } },
  { path: CHAT, body: { messages: MESSAGES } },
  { path: CHAT, body: { messages: MESSAGES, stream: true } },
  { path: NATIVE, body: { input: { messages: MESSAGES } } },
  { path: NATIVE, body: { input: { messages: MESSAGES } }, headers: STREAMED },
];

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

type Keys = Awaited<ReturnType<typeof keysIn>>;

/** One key of every kind. */
async function keysIn(ada: Administrator, clock: { nowMs: number }) {
  const { id: teamId } = await createWorkspace(ada, "team");
  await createWorkspace(ada, "other");
  await addGrants(ada, "team", ["m*"]);
  await addGrants(ada, "other", ["another-model"]);
  const fresh = (workspace: string, expiresAtMs?: number) =>
    createKey(ada, { workspace, ...(expiresAtMs !== undefined && { expiresAtMs }) });
  const [main, team, other, disabled, deleted] = [
    await fresh("default"),
    await fresh("team"),
    await fresh("other"),
    await fresh("default"),
    await fresh("default"),
  ];
  const expired = await fresh("default", clock.nowMs + 1);
  clock.nowMs += 1;
  await disableKey(ada, disabled.id);
  await deleteKey(ada, deleted.id);
  return {
    main: main.secret,
    mainId: main.id,
    team: team.secret,
    teamId,
    other: other.secret,
    disabled: disabled.secret,
    deleted: deleted.secret,
    expired: expired.secret,
  };
}

/** Who may call nothing still sees that. */
function refusalOfLists({ models, refusal }: Pick<Case, "models" | "refusal">): Refusal | undefined {
  return models === undefined ? refusal : undefined;
}

/** Exactly what the contract says (6.2), and what every error answer has besides. */
function expectRefusal(answer: Answer, { status, native, openAi, hasId }: Refusal, path: string): void {
  const requestId = answer.headers.get("x-request-id");
  const idPrefix = path === CHAT ? "chatcmpl-" : "cmpl-";
  const openAiBody = { error: { ...openAi, param: null }, ...(hasId && { id: `${idPrefix}${requestId}` }) };
  const isNative = path.startsWith("/api/");

  expect(answer.json, path).toEqual({ ...(isNative ? native : openAiBody), request_id: requestId });
  expect(answer.status, path).toBe(status);
  expect(answer.headers.get("content-type"), path).toBe("application/json");
}

describe.each(STORES)("with keys in %s", (_name, stores) => {
  const freshStore = stores();

  async function serving() {
    const clock = { nowMs: 1_790_000_000_000 };
    const ada: Administrator = { store: await freshStore(), actor: "ada", now: () => clock.nowMs };
    const keys = await keysIn(ada, clock);
    const engine = new ScriptedEngine(() => saying(["hi"]));
    const authenticator = authenticatorFor({
      configured: [{ key: "sk-configured", label: "configured" }],
      stored: new StoredKeys(ada.store, ada.now),
      workspace: "default",
      mayBeOpen: true,
    });
    const administration = { store: ada.store, now: ada.now, keys: [{ key: ADMIN_KEY, label: "ops" }] };
    const cards = [scriptedCard("m"), scriptedCard("n")];
    return { ...(await serve(engine, { authenticator, administration, cards })), engine, keys, store: ada.store };
  }

  test.each(Object.entries(CASES))("%s is answered as the contract says, on every route", async (_case, each) => {
    const { url, engine, keys } = await serving();
    const { refusal } = each;

    for (const { path, body, headers } of CALLS) {
      const answer = await post(url, path, { model: "m", ...body }, { ...each.headers(keys), ...headers });

      if (refusal === undefined) expect(answer.status, path).toBe(200);
      else expectRefusal(answer, refusal, path);
    }

    expect(engine.calls).toHaveLength(refusal === undefined ? CALLS.length : 0);
  });

  test.each(Object.entries(CASES))("%s sees the models it may call", async (_case, each) => {
    const { url, keys, engine } = await serving();
    const refusal = refusalOfLists(each);

    for (const path of ["/compatible-mode/v1/models", "/v1/models"]) {
      for (const asked of PLAIN_AND_STREAMED) {
        const list = await get(url, path, { ...each.headers(keys), ...asked });
        const one = await get(url, `${path}/m`, { ...each.headers(keys), ...asked });

        if (refusal === undefined) {
          expect(list.json.data.map(({ id }: { readonly id: string }) => id)).toEqual(each.models);
          expect(one.status).toBe(each.models?.includes("m") ? 200 : 404);
        } else {
          expectRefusal(list, refusal, path);
          expectRefusal(one, refusal, path);
        }
      }
    }

    expect(engine.calls).toEqual([]);
  });

  test.each(Object.entries(CASES))("%s sees them in DashScope's list too", async (_case, { headers, ...each }) => {
    const { url, keys } = await serving();

    for (const asked of PLAIN_AND_STREAMED) {
      const list = await get(url, "/api/v1/models", { ...headers(keys), ...asked });
      const refusal = refusalOfLists(each);
      if (refusal !== undefined) expectRefusal(list, refusal, "/api/v1/models");
      else expect(list.json.output.models.map(({ model }: { readonly model: string }) => model)).toEqual(each.models);
    }
  });

  test.each(Object.entries(CASES))("%s sees the limits of its own workspace", async (_case, { headers, ...each }) => {
    const { url, keys } = await serving();
    const path = "/api/v1/models/limits";
    // An administrator sees those of the default workspace.
    const { models, refusal } =
      _case === "an admin key" ? { models: ["m", "n"] } : { ...each, refusal: refusalOfLists(each) };

    for (const asked of PLAIN_AND_STREAMED) {
      const list = await get(url, path, { ...headers(keys), ...asked });
      if (refusal !== undefined) expectRefusal(list, refusal, path);
      else expect(list.json.output.quotas.map(({ model }: { readonly model: string }) => model)).toEqual(models);
    }
  });

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

test("what is forbidden is told before what is wrong with the request, and after an unknown model", async () => {
  const caller = { workspace: "ws", workspaceId: "ws", key: "key_1", mayCall: () => false };
  const authenticator = { isOpen: async () => false, authenticate: async () => caller };
  const { url, entry } = await serve(new ScriptedEngine(() => []), { authenticator });

  const forbidden = await post(url, COMPLETIONS, { model: "m", prompt: "a", temperature: 9 });
  const unknown = await post(url, COMPLETIONS, { model: "nope", prompt: "a" });

  expect(forbidden.json).toMatchObject({ error: { code: "Model.AccessDenied" } });
  expect(unknown.json).toMatchObject({ error: { code: "model_not_found" } });
  expect(await entry(({ outcome }) => outcome === "model_denied")).toMatchObject({ workspace: "ws", key: "key_1" });
});
