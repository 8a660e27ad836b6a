import { expect, test } from "vitest";
import { CHAT, COMPLETIONS, get, NATIVE, post } from "../../test/support/calls.ts";
import { ScriptedEngine } from "../../test/support/scripted-engine.ts";
import { serve } from "../../test/support/scripted-service.ts";
import { StoreFailure, type StoreFailureKind } from "../db/failure.ts";

async function failing(kind: StoreFailureKind) {
  const fail = async () => {
    throw new StoreFailure(kind, "the table of secrets is on fire");
  };
  return serve(new ScriptedEngine(() => []), { authenticator: { isOpen: async () => false, authenticate: fail } });
}

const MESSAGE = "The database of this server is busy or cannot be reached, please try again later.";
const CODE = "ModelServingError";

test.each(["busy", "unavailable"] as const)(
  "a store that is %s is told as 503, in the shape of each wire",
  async (kind) => {
    const { url, entry } = await failing(kind);

    for (const path of [COMPLETIONS, CHAT, "/v1/completions"]) {
      const { status, json, headers } = await post(url, path, {});
      expect([status, headers.get("retry-after")], path).toEqual([503, "1"]);
      expect(json.error, path).toEqual({ message: MESSAGE, type: CODE, param: null, code: CODE });
    }
    for (const { status, json } of [await post(url, NATIVE, {}), await get(url, "/api/v1/models/limits")]) {
      expect([status, json]).toMatchObject([503, { code: CODE, message: MESSAGE }]);
    }
    expect(await entry(({ msg }) => msg === "unexpected failure")).toMatchObject({
      err: { message: "the table of secrets is on fire" },
    });
  },
);

test("a full disk is told as such", async () => {
  const { url } = await failing("full");

  expect(await post(url, COMPLETIONS, {})).toMatchObject({
    status: 503,
    json: { error: { code: CODE, message: expect.stringContaining("The disk of this server's database is full") } },
  });
});

test("a store that cannot take a call is named in the log, too", async () => {
  const reserve = async () => {
    throw new StoreFailure("full", "the database /data/continuo.db cannot be written: its disk is full");
  };
  const { url, entry } = await serve(new ScriptedEngine(() => []), { meter: { reserve } });

  expect((await post(url, COMPLETIONS, { model: "m", prompt: "a" })).status).toBe(503);

  expect(await entry(({ msg }) => msg === "unexpected failure")).toMatchObject({
    err: { message: expect.stringContaining("its disk is full") },
  });
});

test("a row that a bug of ours refers to is no trouble of the store", async () => {
  const { url } = await failing("missing");

  expect(await post(url, COMPLETIONS, {})).toMatchObject({ status: 500, json: { error: { code: "internal_error" } } });
});
