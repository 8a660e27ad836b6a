/** The built program in front of engines elsewhere, as its operator sees it. */
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { COMPLETIONS, get, type Json, joinedText, metric, post, postStream } from "../support/calls.ts";
import { collector } from "../support/collector.ts";
import { temporaryFolder } from "../support/files.ts";
import {
  completionChunk,
  events,
  json,
  LIST,
  type PeerAnswer,
  peerServer,
  usageChunk,
} from "../support/peer-server.ts";
import { type RunningServer, startServer } from "../support/server.ts";

const UPON = events(completionChunk("upon"), completionChunk(" a time", "stop"), usageChunk(5, 3));
const AWAY = json({ error: { message: "no room" } }, 503);
/** Says nothing, ever. */
const SILENT: PeerAnswer = (_, response) => {
  response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
};

async function serving(yaml: string, env: Readonly<Record<string, string>> = {}): Promise<RunningServer> {
  const folder = temporaryFolder();
  const file = join(folder.path, "continuo.yaml");
  writeFileSync(file, yaml);
  const server = await startServer({ args: ["--config", file], env });
  onTestFinished(async () => {
    await server.stop();
    folder.remove();
  });
  return server;
}

const peer = (answer: PeerAnswer) => peerServer({ "GET /v1/models": LIST, "POST /v1/completions": answer });

test("a silent replica is outrun by another one and told to stop at once; the prompt is charged once", async () => {
  const [slow, fast] = [await peer(SILENT), await peer(UPON)];
  const { url, log } = await serving(`engines:
  e0: { kind: openai, url: "${slow.url}" }
  e1: { kind: openai, url: "${fast.url}" }
models:
  pool: { replicas: [{ model: r0, weight: 100 }, r1], hedge: { after: 50ms, share: 1 } }
  r0: { engine: e0 }
  r1: { engine: e1 }
`);
  const { events: all, done } = await postStream(url, COMPLETIONS, {
    ...{ model: "pool", prompt: "Once ", stream_options: { include_usage: true } },
  });
  await slow.to("POST /v1/completions")[0]?.closed;

  expect([joinedText(all), done]).toEqual(["upon a time", true]);
  expect(all.at(-1).usage).toMatchObject({ prompt_tokens: 5, completion_tokens: 3 });
  expect(slow.to("POST /v1/completions")[0]?.body).toEqual(fast.to("POST /v1/completions")[0]?.body);
  expect(await metric(url, "continuo_pool_hedge_wins_total")).toBe(1);
  expect(await metric(url, "continuo_engine_requests_total", { label: 'outcome="aborted"' })).toBe(1);
  expect(log()).not.toContain("unexpected failure");
});

test("another name answers for one that is away, and everybody can see it", async () => {
  const [away, there] = [await peer(AWAY), await peer(UPON)];
  const { url, log } = await serving(`engines:
  e0: { kind: openai, url: "${away.url}" }
  e1: { kind: openai, url: "${there.url}" }
models:
  large: { engine: e0, fallbacks: [small] }
  small: { engine: e1 }
`);
  const answer = await post(url, COMPLETIONS, { model: "large", prompt: "Once " });
  const { continuo } = (await get(url, "/v1/models/large")).json;

  expect([answer.status, answer.headers.get("x-continuo-fallback"), answer.json.model]).toEqual([
    200,
    "small",
    "large",
  ]);
  expect(continuo).toMatchObject({ fallbacks: ["small"], engine: { kind: "openai", address: away.url } });
  expect(await metric(url, "continuo_fallbacks_total", { label: 'fallback="small"' })).toBe(1);
  expect(log()).toMatch(/"model":"large".*"fallback":"small"/);
});

test("traces reach their collector before the program has stopped", async () => {
  const [there, one] = [await collector(), await peer(UPON)];
  const server = await serving(
    `engines: { e0: { kind: openai, url: "${one.url}" } }\nmodels: { m: { engine: e0 } }\n`,
    { OTEL_EXPORTER_OTLP_ENDPOINT: there.url, OTEL_SERVICE_NAME: "gate" },
  );
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  await post(server.url, COMPLETIONS, { model: "m", prompt: "Once " }, { traceparent });
  await server.stop();
  const spans = there.spans();

  expect(spans.map(({ name }) => name)).toEqual(["text_completion m", `POST ${COMPLETIONS}`]);
  expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set(["0af7651916cd43dd8448eb211c80319c"]));
  expect(one.to("POST /v1/completions")[0]?.headers["traceparent"]).toContain(spans[0]?.spanId);
  expect(there.resource()).toMatchObject({ "service.name": "gate", "service.version": expect.stringMatching(/^\d/) });
});

test("an engine with a private CA that wants a certificate is reached with both from the configuration", async () => {
  const pem = (name: string): string => fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url));
  const read = (name: string): string => readFileSync(pem(name), "utf8");
  const certificates: Json[] = [];
  const options = { cert: read("server.pem"), key: read("server.key"), ca: read("ca.pem") };
  const secret = createServer({ ...options, requestCert: true, rejectUnauthorized: true }, (request, response) => {
    certificates.push((request.socket as Json).getPeerCertificate().subject.CN);
    request.resume();
    const call = { what: "", headers: request.headers, body: undefined, closed: Promise.resolve() };
    void (request.method === "GET" ? LIST : UPON)(call, response);
  }).listen(0, "127.0.0.1");
  await once(secret, "listening");
  onTestFinished(() => void secret.close().closeAllConnections());
  const address = `https://127.0.0.1:${(secret.address() as AddressInfo).port}`;
  const tls = `tls: { ca: "${pem("ca.pem")}", cert: "${pem("client.pem")}", key: "${pem("client.key")}" }`;
  const { url } = await serving(`engines:
  with: { kind: openai, url: "${address}", ${tls} }
  without: { kind: openai, url: "${address}", tls: { ca: "${pem("ca.pem")}" } }
models:
  m: { engine: with }
  n: { engine: without }
`);

  expect((await post(url, COMPLETIONS, { model: "m", prompt: "Once " })).json.choices[0].text).toBe("upon a time");
  expect((await post(url, COMPLETIONS, { model: "n", prompt: "Once " })).status).toBe(503);
  expect(new Set(certificates).size).toBe(1);
});
