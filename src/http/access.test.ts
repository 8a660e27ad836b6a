/**
 * Who is let in, over a socket and with real stores: every case on every route that calls or lists models, plain and
 * streamed.
 */
import { describe, expect, test } from "vitest";
import {
  CASES,
  type Case,
  expectRefusal,
  PLAIN_AND_STREAMED,
  type Refusal,
  STREAMED,
  servingKeys,
} from "../../test/support/access-cases.ts";
import { CHAT, COMPLETIONS, get, NATIVE, post } from "../../test/support/calls.ts";
import { ScriptedEngine } from "../../test/support/scripted-engine.ts";
import { serve } from "../../test/support/scripted-service.ts";
import { STORES } from "../../test/support/stores.ts";

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

/** Who may call nothing still sees that. */
function refusalOfLists({ models, refusal }: Pick<Case, "models" | "refusal">): Refusal | undefined {
  return models === undefined ? refusal : undefined;
}

/** What a key sees that may be an administrator's: all names. */
function seenBy(name: string, each: Case): Pick<Case, "models" | "refusal"> {
  if (name === "an admin key") return { models: ["m", "n"] };
  return each.models === undefined ? each : { models: each.models };
}

describe.each(STORES)("with keys in %s", (_name, stores) => {
  const serving = servingKeys(stores());

  test.each(Object.entries(CASES))("%s is answered as docs/wire.md says, on every route", async (_case, each) => {
    const { url, engine, keys } = await serving();
    const { refusal } = each;

    for (const { path, body, headers } of CALLS) {
      const answer = await post(url, path, { model: "m", ...body }, { ...each.headers(keys), ...headers });

      if (refusal === undefined) expect(answer.status, path).toBe(200);
      else expectRefusal(answer, refusal, path);
    }

    expect(engine.calls).toHaveLength(refusal === undefined ? CALLS.length : 0);
  });

  test.each(Object.entries(CASES))("%s sees the models it may call", async (name, each) => {
    const { url, keys, engine } = await serving();
    const { models, refusal } = seenBy(name, each);

    for (const path of ["/compatible-mode/v1/models", "/v1/models"]) {
      for (const asked of PLAIN_AND_STREAMED) {
        const list = await get(url, path, { ...each.headers(keys), ...asked });
        const one = await get(url, `${path}/m`, { ...each.headers(keys), ...asked });

        if (refusal === undefined) {
          expect(list.json.data.map(({ id }: { readonly id: string }) => id)).toEqual(models);
          expect(one.status).toBe(models?.includes("m") ? 200 : 404);
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

  test.each(Object.entries(CASES))("%s sees the limits of its own workspace", async (name, each) => {
    const { url, keys } = await serving();
    const path = "/api/v1/models/limits";
    // An administrator sees those of the default workspace.
    const { models, refusal } = seenBy(name, each);

    for (const asked of PLAIN_AND_STREAMED) {
      const list = await get(url, path, { ...each.headers(keys), ...asked });
      if (refusal !== undefined) expectRefusal(list, refusal, path);
      else expect(list.json.output.quotas.map(({ model }: { readonly model: string }) => model)).toEqual(models);
    }
  });
});

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
