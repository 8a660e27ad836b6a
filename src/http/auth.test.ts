import { expect, test } from "vitest";
import { configuredKeys, openToAll } from "./auth.ts";

const keys = configuredKeys(["sk-one", "sk-two"], "default");

test.each(["Bearer sk-one", "bearer sk-two", "BEARER   sk-one "])("%s is let in", async (authorization) => {
  await expect(keys.authenticate({ authorization })).resolves.toEqual({ workspace: "default" });
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

  await expect(keys.authenticate(headers)).resolves.toEqual({ workspace: "default" });
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

  await expect(open.authenticate({})).resolves.toEqual({ workspace: "default" });
  await expect(open.authenticate({ authorization: "Basic x", "x-dashscope-workspace": "ws" })).resolves.toEqual({
    workspace: "default",
  });
});

test("an empty key is no key", () => {
  expect(() => configuredKeys([""], "default")).toThrow(RangeError);
  expect(() => configuredKeys([], "default")).toThrow(RangeError);
});
