import { describe, expect, test } from "vitest";
import { configuredKeys, NO_KEYS, openToAll } from "../../test/support/authenticators.ts";
import { authenticatorFor } from "./auth.ts";

const keys = configuredKeys(["sk-one", "sk-two"], "default");

test.each(["Bearer sk-one", "bearer sk-two", "BEARER   sk-one "])("%s is let in", async (authorization) => {
  await expect(keys.authenticate({ authorization })).resolves.toMatchObject({ workspace: "default" });
});

test.each([
  [undefined, "missing_api_key"],
  ["", "missing_api_key"],
  ["Bearer sk-three", "invalid_api_key"],
  ["Bearer sk-on", "invalid_api_key"],
  ["Bearer", "invalid_api_key"],
  ["Basic sk-one", "invalid_api_key"],
  ["sk-one", "invalid_api_key"],
  ["Bearer sk-one sk-two", "invalid_api_key"],
])("the header %s is refused as %s", async (authorization, code) => {
  const headers = authorization === undefined ? {} : { authorization };

  await expect(keys.authenticate(headers)).rejects.toMatchObject({ code, status: 401 });
});

test("a key beside the header it belongs in does not count", async () => {
  await expect(keys.authenticate({ "x-api-key": "sk-one", "api-key": "sk-one" })).rejects.toMatchObject({
    code: "missing_api_key",
  });
});

test.each(["", "default"])("the workspace header %j names the keys' own workspace", async (workspace) => {
  const headers = { authorization: "Bearer sk-one", "x-dashscope-workspace": workspace };

  await expect(keys.authenticate(headers)).resolves.toMatchObject({ workspace: "default" });
});

test.each(["ws_other", "Default", " default"])("the workspace header %j is refused", async (workspace) => {
  const headers = { authorization: "Bearer sk-one", "x-dashscope-workspace": workspace };

  await expect(keys.authenticate(headers)).rejects.toMatchObject({ code: "workspace_denied", status: 403 });
});

test("a wrong key is told before a wrong workspace", async () => {
  const headers = { authorization: "Bearer no", "x-dashscope-workspace": "ws_other" };

  await expect(keys.authenticate(headers)).rejects.toMatchObject({ code: "invalid_api_key" });
});

test("an open server lets everybody in, whatever they send", async () => {
  const open = openToAll("default");

  await expect(open.authenticate({})).resolves.toMatchObject({ workspace: "default" });
  await expect(open.authenticate({ authorization: "Basic x", "x-dashscope-workspace": "ws" })).resolves.toMatchObject({
    workspace: "default",
  });
});

test("an empty key is no key", () => {
  expect(() => configuredKeys([""], "default")).toThrow(RangeError);
});

const STORED = {
  hasAny: async () => true,
  find: async (secret: string) =>
    secret === "sk-main"
      ? { id: "key_main", workspaceId: "default", mayCall: () => true }
      : { id: "key_team", workspaceId: "ws_team", mayCall: (model: string) => model === "granted" },
};
const CONFIGURED = [{ key: "sk-one", label: "editor" }];

describe("with keys in a store", () => {
  const both = authenticatorFor({ configured: CONFIGURED, stored: STORED, workspace: "llm-main", mayBeOpen: true });

  test("those of the configuration go on working, in the default workspace", async () => {
    const caller = await both.authenticate({ authorization: "Bearer sk-one", "x-dashscope-workspace": "llm-main" });

    expect(caller).toMatchObject({ workspace: "llm-main", key: "editor" });
    expect(caller.mayCall("anything")).toBe(true);
  });

  test("the default workspace has the name that the configuration gives it", async () => {
    const authorization = "Bearer sk-main";

    await expect(both.authenticate({ authorization, "x-dashscope-workspace": "llm-main" })).resolves.toMatchObject({
      workspace: "llm-main",
      key: "key_main",
    });
    await expect(both.authenticate({ authorization, "x-dashscope-workspace": "default" })).rejects.toMatchObject({
      code: "workspace_denied",
    });
  });

  test("another workspace has its own name and its grants", async () => {
    const caller = await both.authenticate({ authorization: "Bearer sk-team", "x-dashscope-workspace": "ws_team" });

    expect(caller).toMatchObject({ workspace: "ws_team", key: "key_team" });
    expect([caller.mayCall("granted"), caller.mayCall("other")]).toEqual([true, false]);
  });
});

test.each([
  ["no key anywhere, on a loopback address", [], NO_KEYS, true, true],
  ["no key anywhere, on another address", [], NO_KEYS, false, false],
  ["a key in the configuration", CONFIGURED, NO_KEYS, true, false],
  ["a key in the store", [], STORED, true, false],
])("open with %s: %#", async (_case, configured, stored, mayBeOpen, expected) => {
  const { isOpen } = authenticatorFor({ configured, stored, workspace: "default", mayBeOpen });

  expect(await isOpen()).toBe(expected);
});
