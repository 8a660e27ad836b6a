import { once } from "node:events";
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { configuredKeys } from "../../test/support/authenticators.ts";
import { ScriptedEngine, saying } from "../../test/support/scripted-engine.ts";
import { post, serve } from "../../test/support/scripted-service.ts";

const PATH = "/compatible-mode/v1/completions";
const hello = { model: "m", prompt: "say hello" };
const hi = () => new ScriptedEngine(() => saying(["hello"]));

/** With headers that `fetch` does not let through. */
async function raw(
  url: string,
  headers: Record<string, string>,
  body?: string,
  method = "POST",
): Promise<IncomingMessage> {
  const sent = httpRequest(url, { method, headers });
  sent.end(body);
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  response.resume();
  return response;
}

async function fetchText(url: string, headers: Record<string, string>) {
  const sent = httpRequest(url, { headers }).end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  return { status: response.statusCode, body: await text(response) };
}

test.each([
  ["gzip", gzipSync(JSON.stringify(hello))],
  ["identity", Buffer.from(JSON.stringify(hello))],
])("a %s body is read", async (encoding, body) => {
  const { url } = await serve(hi());

  const response = await fetch(url + PATH, { method: "POST", headers: { "content-encoding": encoding }, body });

  expect(response.status).toBe(200);
});

test.each(["application/x-www-form-urlencoded", "text/plain", "json", "application/json; charset=latin1", undefined])(
  "JSON labelled %s is read as JSON",
  async (contentType) => {
    const { url } = await serve(hi());
    const body = JSON.stringify(hello);
    const label: Record<string, string> = contentType === undefined ? {} : { "content-type": contentType };

    const response = await raw(url + PATH, { ...label, "content-length": String(body.length) }, body);

    expect(response.statusCode).toBe(200);
  },
);

test("a body over the limit is 413 and the connection lives on", async () => {
  const { url } = await serve(hi(), { limits: { bodyBytes: 1000 } });

  const refused = await post(url + PATH, { ...hello, prompt: "x".repeat(5_000_000) });
  const next = await post(url + PATH, hello);

  expect(refused.status).toBe(413);
  expect(await refused.json()).toMatchObject({ error: { code: "invalid_parameter_error" } });
  expect(next.status).toBe(200);
});

test("a small body that inflates over the limit is 413", async () => {
  const { url } = await serve(hi(), { limits: { bodyBytes: 10_000 } });
  const body = gzipSync(JSON.stringify({ ...hello, prompt: "x".repeat(1_000_000) }));

  const response = await fetch(url + PATH, { method: "POST", headers: { "content-encoding": "gzip" }, body });

  expect(response.status).toBe(413);
});

test("a client that waits for 100-continue gets it", async () => {
  const { url } = await serve(hi());
  const body = JSON.stringify(hello);
  const sent = httpRequest(url + PATH, {
    method: "POST",
    headers: { expect: "100-continue", "content-length": body.length },
  });
  sent.flushHeaders();

  await once(sent, "continue");
  sent.end(body);
  const [response] = (await once(sent, "response")) as [IncomingMessage];

  expect(response.statusCode).toBe(200);
  response.resume();
});

test("an open server answers only to names of this machine", async () => {
  const { url } = await serve(hi());

  expect((await raw(`${url}/v1/models`, { host: "evil.example:8100" }, undefined, "GET")).statusCode).toBe(403);
  expect((await raw(`${url}/health`, { host: "evil.example" }, undefined, "GET")).statusCode).toBe(403);
  expect((await raw(`${url}/v1/models`, { host: "localhost:8100" }, undefined, "GET")).statusCode).toBe(200);
});

test("an open server answers to the names it was told, and says how to tell it more", async () => {
  const { url, entry } = await serve(hi(), { allowedHosts: ["llm.example", "*.tunnel.example"] });
  const call = (host: string) => fetchText(`${url}/v1/models`, { host });

  expect((await call("llm.example")).status).toBe(200);
  expect((await call("a.tunnel.example:443")).status).toBe(200);
  const refused = await call("other.example:8100");

  expect(refused.status).toBe(403);
  expect(refused.body).toContain("--allowed-host other.example");
  expect(await entry(({ outcome }) => outcome === "host_denied")).toMatchObject({ refused: "other.example" });
});

test("a server with keys answers to any name", async () => {
  const { url } = await serve(hi(), { authenticator: configuredKeys(["sk-1"], "default") });

  const response = await raw(
    `${url}/v1/models`,
    { host: "llm.example", authorization: "Bearer sk-1" },
    undefined,
    "GET",
  );

  expect(response.statusCode).toBe(200);
});

test.each([
  ["http://localhost:3000", true],
  ["https://127.0.0.1", true],
  ["https://app.example", true],
  ["https://evil.example", false],
  ["https://localhost.evil.example", false],
])("a page from %s may read answers: %s", async (origin, isAllowed) => {
  const { url } = await serve(hi(), { corsOrigins: ["https://app.example"] });

  const preflight = await fetch(url + PATH, {
    method: "OPTIONS",
    headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "authorization" },
  });
  const answer = await post(url + PATH, { ...hello, stream: true }, { headers: { origin } });

  expect([preflight.status, answer.status]).toEqual(isAllowed ? [204, 200] : [403, 403]);
  for (const response of [preflight, answer]) {
    expect(response.headers.get("access-control-allow-origin")).toBe(isAllowed ? origin : null);
  }
  if (isAllowed) {
    expect(preflight.headers.get("access-control-allow-headers")).toBe("authorization");
    expect(answer.headers.get("access-control-expose-headers")).toContain("x-request-id");
  }
});

test("headers that do not arrive in time end the connection with 408", async () => {
  const { port } = await serve(hi(), { limits: { headersTimeoutMs: 60, requestTimeoutMs: 1000 } });
  const socket = connect(port, "127.0.0.1");
  socket.setEncoding("utf8");
  socket.write("GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");

  const [answer] = (await once(socket, "data")) as [string];
  await once(socket, "close");

  expect(answer).toMatch(/^HTTP\/1\.1 408 /);
  expect(answer).toMatch(/x-request-id: [0-9a-f-]{36}/);
});

test("what is no HTTP is refused with a body in the OpenAI shape", async () => {
  const { port } = await serve(hi());
  const socket = connect(port, "127.0.0.1");
  socket.setEncoding("utf8");
  socket.write("hello?\r\n\r\n");

  const [answer] = (await once(socket, "data")) as [string];

  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(JSON.parse(answer.slice(answer.indexOf("{")))).toMatchObject({ error: { type: "invalid_request_error" } });
});

test("a connection is used again for the next request, after a stream too", async () => {
  const { url, service } = await serve(hi());
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let connections = 0;
  service.app.server.on("connection", () => connections++);

  for (const stream of [false, true, false]) {
    const sent = httpRequest(url + PATH, { method: "POST", agent });
    sent.end(JSON.stringify({ ...hello, stream }));
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    await once(response.resume(), "end");
  }
  agent.destroy();

  expect(connections).toBe(1);
});

test("the log has one line per request, without prompt, completion or key", async () => {
  const { url, entry, entries } = await serve(
    new ScriptedEngine(() => saying(["COMPLETION"], { cachedPromptTokens: 1 })),
    {
      authenticator: configuredKeys(["sk-SECRET"], "default"),
    },
  );

  const response = await post(
    url + PATH,
    { model: "m", prompt: "PROMPT" },
    { headers: { authorization: "Bearer sk-SECRET" } },
  );
  await response.text();
  await post(url + PATH, { model: "m", prompt: "PROMPT" });
  const line = await entry(({ outcome }) => outcome === "ok");

  expect(line).toMatchObject({
    requestId: response.headers.get("x-request-id"),
    protocol: "completions",
    dialect: "dashscope",
    model: "m",
    answeredBy: "scripted-weights",
    stream: false,
    status: 200,
    promptTokens: 3,
    cachedPromptTokens: 1,
    completionTokens: 1,
  });
  expect(line).toHaveProperty("ttftMs");
  expect(line).toHaveProperty("totalMs");
  expect(await entry(({ outcome }) => outcome === "missing_api_key")).toMatchObject({ status: 401 });
  expect(entries).toHaveLength(2);
  expect(JSON.stringify(entries)).not.toMatch(/PROMPT|COMPLETION|SECRET/);
});
