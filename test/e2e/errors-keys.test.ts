import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { COMPLETIONS, get, post } from "../support/calls.ts";
import { codeOf, everywhere, messageOf } from "../support/error-answers.ts";
import { startTinyServer, type TinyServer } from "../support/tiny-server.ts";

const KEY = "sk-0123456789abcdef0123456789abcdef";

describe("with a key", () => {
  let closed: TinyServer;
  beforeAll(async () => {
    closed = await startTinyServer({ tiny: {} }, { env: { CONTINUO_API_KEY: KEY } });
  });
  afterAll(() => closed?.stop());

  test("the right key is let in, whatever the scheme's case", async () => {
    for (const scheme of ["Bearer", "bearer"]) {
      const answers = await everywhere(closed.url, {}, { authorization: `${scheme} ${KEY}` });
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    }
  });

  test.each([
    [{}, "You didn't provide an API key. You need to provide your API key in an Authorization header", "No API-key"],
    [{ authorization: "Bearer sk-wrong" }, "Incorrect API key provided.", "Invalid API-key provided."],
    [{ authorization: KEY }, "Incorrect API key provided.", "Invalid API-key provided."],
    [{ "x-api-key": KEY }, "You didn't provide an API key.", "No API-key provided."],
  ])("%j is 401 in each shape", async (headers: Record<string, string>, openai, dashscope) => {
    const answers = await everywhere(closed.url, {}, headers);

    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401]);
    expect(answers.map(codeOf)).toEqual(["invalid_api_key", "invalid_api_key", "InvalidApiKey"]);
    expect(messageOf(answers[0])).toContain(openai);
    expect(messageOf(answers[2])).toContain(dashscope);
    expect(answers[0].json.id).toBeUndefined();
  });

  test("the key is checked before the body, the model and the stream", async () => {
    const broken = await post(closed.url, COMPLETIONS, "{");
    const [unknown] = await everywhere(closed.url, { model: "nope", stream: true });

    expect(broken.status).toBe(401);
    expect(unknown.status).toBe(401);
    expect(unknown.headers.get("content-type")).toBe("application/json");
  });

  test("another workspace is refused, the default one is not", async () => {
    const authorization = `Bearer ${KEY}`;
    const other = await everywhere(closed.url, {}, { authorization, "x-dashscope-workspace": "ws_other" });
    const own = await everywhere(closed.url, {}, { authorization, "x-dashscope-workspace": "default" });
    const empty = await everywhere(closed.url, {}, { authorization, "x-dashscope-workspace": "" });

    expect(other.map(({ status }) => status)).toEqual([403, 403, 403]);
    expect(new Set(other.map(codeOf))).toEqual(new Set(["Workspace.AccessDenied"]));
    expect([...own, ...empty].every(({ status }) => status === 200)).toBe(true);
  });

  test("the probes need no key", async () => {
    expect((await get(closed.url, "/health")).status).toBe(200);
    expect((await get(closed.url, "/ready")).status).toBe(200);
    expect((await get(closed.url, "/metrics")).status).toBe(401);
  });
});
