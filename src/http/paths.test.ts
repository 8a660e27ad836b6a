import { once } from "node:events";
import { request as httpRequest, type IncomingMessage, METHODS } from "node:http";
import { text } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { configuredKeys } from "../../test/support/authenticators.ts";
import { ScriptedEngine, saying } from "../../test/support/scripted-engine.ts";
import { hello, ROUTES, serve } from "../../test/support/scripted-service.ts";

const NATIVE = "/api/v1/services/aigc/text-generation/generation";
const hi = () => new ScriptedEngine(() => saying(["hello"]));
const withKey = { authenticator: configuredKeys(["sk-1"], "default") };

/** Any method and any path, unlike `fetch`. */
async function call(port: number, method: string, path: string, body?: unknown) {
  const sent = httpRequest({ port, host: "127.0.0.1", method, path });
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  return { status: response.statusCode, headers: response.headers, body: await text(response) };
}

/** `CONNECT` is for proxies; Node never shows it to a server that is none. */
const CALLABLE = METHODS.filter((method) => method !== "CONNECT");

describe("a path that is not there", () => {
  test.each([
    ["/api/v1/nothing", "native", { code: "NotFound" }],
    ["/v1/nothing", "OpenAI", { error: { code: "not_found", type: "invalid_request_error" } }],
    ["/nothing", "OpenAI", { error: { code: "not_found", param: null } }],
    ["/v1/%zz", "OpenAI", { error: { code: "not_found" } }],
    ["//api//nothing", "native", { code: "NotFound" }],
  ])("%s is 404 in the %s shape, key or not", async (path, _shape, body) => {
    const { port } = await serve(hi(), withKey);

    const answer = await call(port, "POST", path, hello);

    expect(answer.status).toBe(404);
    expect(JSON.parse(answer.body)).toMatchObject({ ...body, request_id: answer.headers["x-request-id"] });
  });

  test("is 404 for every method there is", async () => {
    const { port } = await serve(hi());

    for (const method of CALLABLE) {
      for (const path of ["/v1/nothing", "/api/v1/nothing", "/compatible-mode/nothing", "/nothing"]) {
        expect([method, path, (await call(port, method, path)).status]).toEqual([method, path, 404]);
      }
    }
  });

  test.each([
    ["/v1/embeddings", "POST /v1/embeddings", "/v1/completions, /v1/chat/completions, /v1/models"],
    ["/api/generate", "POST /api/generate", NATIVE],
    ["/completions", "POST /completions", "did you mean /compatible-mode/v1/completions"],
    ["/v1/v1/completions", "POST /v1/v1/completions", "did you mean /v1/completions?"],
    ["/compatible-mode/v1/chat", "POST /compatible-mode/v1/chat", "/compatible-mode/v1/chat/completions"],
    ["/x", "POST /x", "/compatible-mode, /api, /v1"],
    [`/${"x".repeat(5_000)}`, "POST /xxx", "/compatible-mode, /api, /v1"],
  ])("%s is named, and so is what there is", async (path, asked, there) => {
    const { port } = await serve(hi());

    const { body } = await call(port, "POST", path, hello);

    const { message = JSON.parse(body).message } = JSON.parse(body).error ?? {};
    expect(message).toContain(`There is no ${asked}`);
    expect(message).toContain(there);
    expect(message.length).toBeLessThan(700);
  });
});

describe("a method that a path does not have", () => {
  test.each(ROUTES.map(({ path }) => path))("is 405 with Allow at %s, key or not", async (path) => {
    const { port } = await serve(hi(), withKey);

    for (const method of CALLABLE.filter((each) => each !== "POST" && each !== "OPTIONS")) {
      const { status, headers, body } = await call(port, method, path);
      expect([method, status, headers.allow]).toEqual([method, 405, "POST, OPTIONS"]);
      if (method === "HEAD") continue;
      const message = `Request method '${method}' is not supported.`;
      const told = path === NATIVE ? { code: "InvalidParameter", message } : { error: { message } };
      expect(JSON.parse(body)).toMatchObject(told);
    }
  });

  test.each(["/v1/models", "/v1/models/m", "/api/v1/models", "/health", "/docs", "/"])(
    "is 405 with Allow at %s",
    async (path) => {
      const { port } = await serve(hi());

      for (const method of ["POST", "PUT", "DELETE", "PROPFIND", "QUERY"]) {
        const { status, headers } = await call(port, method, path);
        expect([method, status, headers.allow]).toEqual([method, 405, "GET, HEAD, OPTIONS"]);
      }
    },
  );

  test("OPTIONS names the methods, HEAD answers like GET without a body", async () => {
    const { port } = await serve(hi());

    const options = await call(port, "OPTIONS", "/v1/models");
    const native = await call(port, "OPTIONS", NATIVE);
    const head = await call(port, "HEAD", "/v1/models");

    expect([options.status, options.headers.allow]).toEqual([204, "GET, HEAD, OPTIONS"]);
    expect([native.status, native.headers.allow]).toEqual([204, "POST, OPTIONS"]);
    expect([head.status, head.body]).toEqual([200, ""]);
  });
});

describe("slashes", () => {
  test.each(["/v1//completions", "//v1/completions", "///v1///completions//", "/v1/completions/"])(
    "%s is /v1/completions",
    async (path) => {
      const { port, entry } = await serve(hi());

      expect((await call(port, "POST", path, hello)).status).toBe(200);
      expect(await entry(({ outcome }) => outcome === "ok")).toMatchObject({ path: "/v1/completions" });
    },
  );

  test.each(["//v1/chat/completions", "/compatible-mode//v1/chat//completions"])("%s is a chat route", async (path) => {
    const { port } = await serve(hi());
    const chat = { model: "m", messages: [{ role: "user", content: "say hello" }] };

    expect((await call(port, "POST", path, chat)).status).toBe(200);
  });

  test("a name in a path keeps its slash", async () => {
    const { port } = await serve(hi());

    const { body } = await call(port, "GET", "/v1//models/a%2F%2Fb");

    expect(JSON.parse(body)).toMatchObject({ error: { message: expect.stringContaining("`a//b`") } });
  });
});
