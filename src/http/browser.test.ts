import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { configuredKeys } from "../../test/support/authenticators.ts";
import { ScriptedEngine, saying } from "../../test/support/scripted-engine.ts";
import { hello, ROUTES, type ServingOptions, serve } from "../../test/support/scripted-service.ts";
import { refuseForeignPage } from "./browser.ts";
import { isAllowedOrigin } from "./origin.ts";

const PATH = "/v1/completions";
const JSON_LABEL = { "content-type": "application/json" };

/** A server, and calls with headers that `fetch` does not let through. */
async function browsed(options: ServingOptions = {}) {
  const engine = new ScriptedEngine(() => saying(["hello"]));
  const { port, entry } = await serve(engine, options);
  const call = async (headers: Record<string, string>, path = PATH, method = "POST", body = JSON.stringify(hello)) => {
    const sent = httpRequest({ port, host: "127.0.0.1", method, path, headers });
    sent.end(method === "POST" ? body : undefined);
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    return { status: response.statusCode, headers: response.headers, body: await text(response) };
  };
  return { engine, call, entry, port };
}

const EVIL = { origin: "https://evil.example" };
const IMAGE = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" };

describe("a page of another site", () => {
  test.each([
    ["plain text, which needs no preflight", { ...EVIL, "content-type": "text/plain" }],
    ["a form", { ...EVIL, "content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "cross-site" }],
    ["JSON", { ...EVIL, ...JSON_LABEL }],
    ["a page without an origin", { origin: "null", ...JSON_LABEL }],
    ["an extension", { origin: "chrome-extension://abcdefgh", ...JSON_LABEL }],
    ["a file in an app", { origin: "file://", ...JSON_LABEL }],
    ["another port of another machine's name", { origin: "http://localhost.evil.example:8100", ...JSON_LABEL }],
    ["two origins", { origin: "http://localhost, https://evil.example", ...JSON_LABEL }],
    ["no origin, and a foreign site", { "sec-fetch-site": "cross-site", ...JSON_LABEL }],
    ["no origin, and a neighbour's site", { "sec-fetch-site": "same-site", ...JSON_LABEL }],
  ])("is refused before the engine hears of it: %s", async (_case, headers) => {
    const { engine, call } = await browsed();

    const { status, headers: answered } = await call(headers);

    expect(status).toBe(403);
    expect(answered["access-control-allow-origin"]).toBeUndefined();
    expect(engine.calls).toHaveLength(0);
  });

  const everywhere = [
    ...ROUTES.map(({ path }) => ["POST", path] as const),
    ["GET", "/v1/models"],
    ["GET", "/compatible-mode/v1/models/m"],
    ["GET", "/api/v1/models"],
    ["POST", "/api/v1/models/permissions"],
    ["DELETE", "/admin/keys/key_1"],
    ["GET", "/health"],
    ["GET", "/ready"],
    ["GET", "/metrics"],
    ["GET", "/docs"],
    ["GET", "/openapi.json"],
    ["GET", "/nothing"],
    ["OPTIONS", "/v1/completions"],
    ["PUT", "/v1/completions"],
  ] as const;

  test.each(everywhere)("is refused at %s %s, with keys and without", async (method, path) => {
    const authenticator = configuredKeys(["sk-1"], "default");
    for (const { call } of [await browsed(), await browsed({ authenticator })]) {
      expect((await call({ ...EVIL, authorization: "Bearer sk-1" }, path, method)).status).toBe(403);
      if (method === "GET") expect((await call(IMAGE, path, method)).status).toBe(403);
    }
  });

  test("is told why, in the shape of the path, and the log has its origin", async () => {
    const { call, entry } = await browsed();

    const openAi = await call({ ...EVIL, ...JSON_LABEL });
    const native = await call(EVIL, "/api/v1/services/aigc/text-generation/generation");

    const message = expect.stringContaining("--cors-origin https://evil.example");
    expect(JSON.parse(openAi.body)).toMatchObject({ error: { code: "access_denied", message } });
    expect(JSON.parse(native.body)).toMatchObject({ code: "AccessDenied", message });
    expect(await entry(({ outcome }) => outcome === "origin_denied")).toMatchObject({
      status: 403,
      refused: "https://evil.example",
    });
  });

  test("cannot open a WebSocket", async () => {
    const { call } = await browsed();
    const upgrade = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-key": "a", ...EVIL };

    expect((await call(upgrade, PATH, "GET")).status).toBe(403);
  });

  test("may link to our pages, but not frame them", async () => {
    const { call } = await browsed();
    const visit = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" };

    expect((await call({ ...visit, "sec-fetch-dest": "document" }, "/docs", "GET")).status).toBe(200);
    expect((await call({ ...visit, "sec-fetch-dest": "iframe" }, "/docs", "GET")).status).toBe(403);
    expect((await call({ ...visit, "sec-fetch-dest": "document" })).status).toBe(403);
  });
});

describe("who may call", () => {
  test.each<[string, Record<string, string>, readonly string[]]>([
    ["curl, which says nothing of itself", {}, []],
    ["Node's fetch", { "sec-fetch-mode": "cors" }, []],
    ["a page of ours", { "sec-fetch-site": "same-origin" }, []],
    ["a page of ours behind a proxy", { host: "llm.example", origin: "https://llm.example" }, []],
    ["a page of ours behind a proxy that changes the host", { ...EVIL, "sec-fetch-site": "same-origin" }, []],
    ["a page of this machine", { origin: "http://localhost:5173", "sec-fetch-site": "same-site" }, []],
    ["the address bar", { "sec-fetch-site": "none" }, []],
    ["a site that is named", EVIL, ["https://evil.example"]],
    ["a site that is named with capitals and its port", EVIL, ["https://EVIL.example:443"]],
    ["an extension that is named", { origin: "moz-extension://1-2" }, ["moz-extension://1-2"]],
    ["extensions that are named together", { origin: "moz-extension://3-4" }, ["moz-extension://*"]],
    ["any site where all may", EVIL, ["*"]],
    ["a file where all may", { origin: "null" }, ["*"]],
    ["an image where all may", { "sec-fetch-site": "cross-site" }, ["*"]],
  ])("%s", async (_case, headers, corsOrigins) => {
    const { call } = await browsed({ corsOrigins, allowedHosts: ["llm.example"] });

    expect((await call({ ...headers, ...JSON_LABEL })).status).toBe(200);
  });

  test("a scheme's pages are not another scheme's", async () => {
    const { call } = await browsed({ corsOrigins: ["moz-extension://*"] });

    expect((await call({ origin: "moz-extension-x://a", ...JSON_LABEL })).status).toBe(403);
  });
});

describe("JSON that is not labelled", () => {
  const localhost = { origin: "http://localhost:5173" };

  test.each([
    ["text/plain;charset=UTF-8"],
    ["application/x-www-form-urlencoded"],
    ["multipart/form-data; boundary=a"],
    ["text/plain; application/json"],
    [""],
  ])("as %j is refused from any browser, whose pages send that without asking", async (type) => {
    const { engine, call } = await browsed({ corsOrigins: ["*"] });

    for (const headers of [localhost, EVIL, { "sec-fetch-site": "same-origin" }]) {
      const { status, body } = await call({ ...headers, "content-type": type });
      expect(status).toBe(415);
      expect(JSON.parse(body)).toMatchObject({ error: { code: "unsupported_media_type" } });
    }
    expect(engine.calls).toHaveLength(0);
  });

  test("without any label is refused from a browser", async () => {
    const { call } = await browsed();

    expect((await call(localhost)).status).toBe(415);
  });

  test.each(["application/json", "Application/JSON; charset=utf-8", "application/vnd.api+json"])(
    "as %s it is labelled",
    async (type) => {
      const { call } = await browsed();

      expect((await call({ ...localhost, "content-type": type })).status).toBe(200);
    },
  );

  test.each(["application/x-www-form-urlencoded", "text/plain", "json"])(
    "as %s is read from anybody else",
    async (type) => {
      const { call } = await browsed();

      expect((await call({ "content-type": type })).status).toBe(200);
    },
  );
});

test("whatever else it sends, a page of another site is refused", () => {
  const site = fc.constantFrom("cross-site", "same-site", "none", "", "nonsense", undefined);
  const origin = fc.oneof(fc.constantFrom("null", "file://", "https://localhost.evil.example"), fc.webUrl());
  fc.assert(
    fc.property(origin, site, fc.webUrl(), fc.constantFrom("GET", "POST"), (from, fetchSite, allowed, method) => {
      const host = "localhost:8100";
      const headers = { host, origin: from, ...(fetchSite !== undefined && { "sec-fetch-site": fetchSite }) };
      fc.pre(!isAllowedOrigin(from, [allowed]));

      expect(() => refuseForeignPage({ method, headers }, [allowed])).toThrow("Access denied");
    }),
  );
});
