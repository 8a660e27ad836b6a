/** Whom a service lets in and whom it does not: every kind of caller, and what each is told. */
import { expect } from "vitest";
import type { Administrator } from "../../src/accounts/administration.ts";
import { addGrants } from "../../src/accounts/grants.ts";
import { createKey, deleteKey, disableKey } from "../../src/accounts/keys.ts";
import { StoredKeys } from "../../src/accounts/stored-keys.ts";
import { createWorkspace } from "../../src/accounts/workspaces.ts";
import type { Store } from "../../src/db/schema.ts";
import { authenticatorFor } from "../../src/http/auth.ts";
import { type Answer, CHAT } from "./calls.ts";
import { ScriptedEngine, saying, scriptedCard } from "./scripted-engine.ts";
import { serve } from "./scripted-service.ts";

/** What a case gets: status, then code, type and message on each wire. `hasId`: raised behind the gateway. */
export interface Refusal {
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
export const WRONG_KEY = refusedKey("Invalid API-key provided.", "Incorrect API key provided.");
const EXPIRED = refusedKey("invalid access token or token expired", "invalid access token or token expired");
const WRONG_WORKSPACE = denied("Workspace.AccessDenied", "Workspace access denied.");
const NO_GRANT = denied("Model.AccessDenied", "Model access denied.");

/** Absent `refusal`: answered. */
export interface Case {
  readonly headers: (keys: Keys) => Readonly<Record<string, string>>;
  readonly refusal?: Refusal;
  /** What the model routes show. */
  readonly models?: readonly string[];
  /** On the calls of administrators, where no key that calls models counts. Absent: as a wrong key. */
  readonly asAdmin?: Refusal;
}

/** The only key of administrators. */
export const ADMIN_KEY = "the-key-of-ops";

/** The header that carries a key. */
export const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

/** Every kind of caller, by name. */
export const CASES: Readonly<Record<string, Case>> = {
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
export const STREAMED = { "x-dashscope-sse": "enable", accept: "text/event-stream" };
export const PLAIN_AND_STREAMED = [{}, STREAMED];

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

/** Makes a service in front of a new store that has a key of every kind. It knows the models `m` and `n`. */
export function servingKeys(freshStore: () => Promise<Store>) {
  return async () => {
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
  };
}

/** Exactly what docs/wire.md says (6.2), and what every error answer has besides. */
export function expectRefusal(answer: Answer, { status, native, openAi, hasId }: Refusal, path: string): void {
  const requestId = answer.headers.get("x-request-id");
  const idPrefix = path === CHAT ? "chatcmpl-" : "cmpl-";
  const openAiBody = { error: { ...openAi, param: null }, ...(hasId && { id: `${idPrefix}${requestId}` }) };
  const isNative = path.startsWith("/api/");

  expect(answer.json, path).toEqual({ ...(isNative ? native : openAiBody), request_id: requestId });
  expect(answer.status, path).toBe(status);
  expect(answer.headers.get("content-type"), path).toBe("application/json");
}
