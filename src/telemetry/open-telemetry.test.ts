import { describe, expect, onTestFinished, test, vi } from "vitest";
import { type CollectedSpan, type Collector, collector } from "../../test/support/collector.ts";
import {
  completionChunk,
  engineAt,
  events,
  json,
  LIST,
  type PeerAnswer,
  peerServer,
  usageChunk,
} from "../../test/support/peer-server.ts";
import { request as asking } from "../../test/support/pooling.ts";
import { ScriptedEngine, saying, scriptedCard, scriptedDirectory } from "../../test/support/scripted-engine.ts";
import { hello, post, serve, streamed } from "../../test/support/scripted-service.ts";
import { Pool } from "../pool/pool.ts";
import { createLog } from "./log.ts";
import { observedEngine } from "./observed-engine.ts";
import { openTracing, PASSED_ON, type Tracing } from "./tracing.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = `00-${TRACE}-b7ad6b7169203331-01`;
const UPON: PeerAnswer = events(completionChunk("upon", "stop"), usageChunk(5, 3));

function silentLog() {
  const lines: string[] = [];
  return { lines, log: createLog({ level: "debug", destination: { write: (line) => void lines.push(line) } }) };
}

async function tracingTo(
  { url }: Pick<Collector, "url">,
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly tracing: Tracing; readonly lines: readonly string[] }> {
  onTestFinished(() => void vi.unstubAllEnvs());
  for (const [name, value] of Object.entries({ OTEL_EXPORTER_OTLP_ENDPOINT: url, ...env })) vi.stubEnv(name, value);
  const { log, lines } = silentLog();
  return { tracing: await openTracing(process.env, log), lines };
}

/** A pool of engines elsewhere, the first preferred, behind the server. */
async function pooled(tracing: Tracing, ...answers: readonly PeerAnswer[]) {
  const peers = await Promise.all(
    answers.map((answer) => peerServer({ "GET /v1/models": LIST, "POST /v1/completions": answer })),
  );
  const replicas = peers.map(({ url }, index) => {
    const engine = engineAt("openai", url, { model: { name: `r${index}` } });
    const identity = { name: `r${index}`, kind: "openai", url };
    const observer = { firstText: () => {}, ended: () => {} };
    return {
      engine: observedEngine(engine, { identity, observer, tracing, now: () => performance.now() }),
      weight: 10 ** (peers.length - index),
    };
  });
  const pool = new Pool({
    ...{ name: "m", replicas, policy: "least_loaded", maxResumes: 3, random: () => 0, report: () => {} },
    now: () => performance.now(),
    after: () => () => {},
  });
  const directory = scriptedDirectory(pool, [scriptedCard("m")]);
  const service = await serve(new ScriptedEngine(() => []), { directory, tracing });
  return { ...service, peers, asked: () => peers.flatMap((peer) => peer.to("POST /v1/completions")) };
}

const named = (spans: readonly CollectedSpan[], name: string): CollectedSpan => {
  const found = spans.find((span) => span.name === name);
  if (found === undefined) throw new RangeError(`no span ${name} among ${spans.map((span) => span.name).join(", ")}`);
  return found;
};

describe("a request in a trace", () => {
  test("is a span under the caller's, with one under it for each replica that was asked, which is told its own", async () => {
    const there = await collector();
    const { tracing } = await tracingTo(there, {
      OTEL_SERVICE_NAME: "gate",
      OTEL_EXPORTER_OTLP_HEADERS: "x-key=secret",
    });
    const { url, asked, entry } = await pooled(tracing, json({ error: { message: "no" } }, 503), UPON);
    const headers = { traceparent: PARENT, tracestate: "vendor=1" };
    const response = await post(`${url}/v1/completions`, streamed, { headers });
    await response.text();
    const logged = await entry(({ msg }) => msg === "request");
    await tracing.close();
    const spans = there.spans();
    const request = named(spans, "POST /v1/completions");
    const [first, second] = [named(spans, "text_completion r0"), named(spans, "text_completion r1")];

    expect([request.traceId, request.parentSpanId, request.kind]).toEqual([TRACE, "b7ad6b7169203331", 2]);
    expect(request.attributes).toMatchObject({
      "http.route": "/v1/completions",
      "http.response.status_code": 200,
      "gen_ai.operation.name": "text_completion",
      "gen_ai.request.model": "m",
      "gen_ai.response.model": "their-model",
      "gen_ai.response.finish_reasons": ["stop"],
      "gen_ai.usage.input_tokens": 5,
      "gen_ai.usage.output_tokens": 3,
      "continuo.request.id": response.headers.get("x-request-id"),
    });
    expect([first.parentSpanId, second.parentSpanId]).toEqual([request.spanId, request.spanId]);
    expect([first.status, second.status, first.kind]).toEqual([2, 0, 3]);
    expect(first.attributes).toMatchObject({ "error.type": "model_unavailable", "continuo.attempt": "first" });
    expect(second.attributes).toMatchObject({
      "gen_ai.provider.name": "openai",
      "continuo.attempt": "retry",
      "server.address": "127.0.0.1",
      "gen_ai.response.finish_reasons": ["stop"],
    });
    expect(second.events).toEqual(["continuo.first_text"]);
    expect(asked().map((call) => [call.headers["traceparent"], call.headers["tracestate"]])).toEqual([
      [`00-${TRACE}-${first.spanId}-01`, "vendor=1"],
      [`00-${TRACE}-${second.spanId}-01`, "vendor=1"],
    ]);
    expect(logged["traceId"]).toBe(TRACE);
    expect(there.resource()).toMatchObject({ "service.name": "gate" });
    expect(there.peer.calls[0]?.headers["x-key"]).toBe("secret");
  });

  test("has its first text where some is shown", async () => {
    const there = await collector();
    const { tracing } = await tracingTo(there);
    for (const [name, text] of Object.entries({ thinks: "", shows: "a" })) {
      const span = tracing.engine({ name, kind: "vllm" }, asking());
      span?.part({ type: "delta", choice: 0, text, tokens: [1] });
      span?.end("ok");
    }
    await tracing.close();

    const eventsOf = (name: string) => named(there.spans(), `text_completion ${name}`).events;
    expect([eventsOf("thinks"), eventsOf("shows")]).toEqual([[], ["continuo.first_text"]]);
  });

  test("begins one of its own without a caller's, and its error is seen", async () => {
    const there = await collector();
    const { tracing } = await tracingTo(there);
    const { url, entry } = await pooled(tracing, json({ error: { message: "no" } }, 503));
    expect((await post(`${url}/v1/completions`, hello)).status).toBe(503);
    const logged = await entry(({ msg }) => msg === "request");
    await tracing.close();
    const request = named(there.spans(), "POST /v1/completions");

    expect(request.parentSpanId).toBeUndefined();
    expect(logged["traceId"]).toBe(request.traceId);
    expect(request.status).toBe(2);
    expect(request.attributes).toMatchObject({
      "error.type": "model_unavailable",
      "http.response.status_code": 503,
    });
    expect(there.resource()).toMatchObject({ "service.name": "continuo" });
  });

  test("that is not sampled is passed on and not sent", async () => {
    const there = await collector();
    const { tracing } = await tracingTo(there, { OTEL_TRACES_SAMPLER: "always_off" });
    const { url, asked, entry } = await pooled(tracing, UPON);
    await (await post(`${url}/v1/completions`, hello, { headers: { traceparent: PARENT } })).text();
    await entry(({ msg }) => msg === "request");
    await tracing.close();

    expect(there.spans()).toEqual([]);
    expect(asked()[0]?.headers["traceparent"]).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`));
  });
});

test("a collector that is away delays nothing, holds up the end for seconds at most, and is complained of once", async () => {
  const there = await collector();
  await there.peer.stop();
  const { tracing, lines } = await tracingTo(there, { OTEL_EXPORTER_OTLP_TIMEOUT: "500" });
  const { url, entry } = await pooled(tracing, UPON);

  expect((await post(`${url}/v1/completions`, hello)).status).toBe(200);
  await entry(({ msg }) => msg === "request");
  await tracing.close();
  expect(lines.filter((line) => line.includes("OpenTelemetry")).length).toBeLessThanOrEqual(1);
});

describe("without a collector", () => {
  test.each<[string, Readonly<Record<string, string>>]>([
    ["nothing is configured", {}],
    ["it is switched off", { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", OTEL_SDK_DISABLED: "true" }],
    ["no exporter is wanted", { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", OTEL_TRACES_EXPORTER: "none" }],
  ])("%s: the caller's trace goes through as it is", async (_, env) => {
    const tracing = await openTracing(env, silentLog().log);
    const { url, asked, entry } = await pooled(tracing, UPON);
    const headers = { traceparent: PARENT, tracestate: "vendor=1,other=2" };
    await (await post(`${url}/v1/completions`, hello, { headers })).text();

    expect(tracing).toBe(PASSED_ON);
    expect(asked()[0]?.headers).toMatchObject(headers);
    expect((await entry(({ msg }) => msg === "request"))["traceId"]).toBe(TRACE);
  });

  test("what is no place in a trace goes nowhere", async () => {
    const { url, asked } = await pooled(PASSED_ON, UPON);
    await (await post(`${url}/v1/completions`, hello, { headers: { traceparent: "mine", tracestate: "a=1" } })).text();

    expect(asked()[0]?.headers).not.toHaveProperty("traceparent");
    expect(asked()[0]?.headers).not.toHaveProperty("tracestate");
  });

  test("a protocol that is not spoken is warned of", async () => {
    const { log, lines } = silentLog();
    const tracing = await openTracing(
      { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" },
      log,
    );
    await tracing.close();

    expect(lines.join("")).toContain("OTLP over HTTP in JSON");
  });
});

test("an engine that answers is counted and measured, whatever becomes of the request", async () => {
  const ended: string[] = [];
  const first: number[] = [];
  let nowMs = 0;
  const engine = new ScriptedEngine(() => saying(["a", "b"]));
  const watched = observedEngine(engine, {
    identity: { name: "m", kind: "llama.cpp" },
    observer: { firstText: (_, ms) => first.push(ms), ended: (_, outcome) => ended.push(outcome) },
    tracing: PASSED_ON,
    now: () => (nowMs += 10),
  });
  const { url } = await serve(engine, { directory: scriptedDirectory(watched, [scriptedCard("m")]) });
  await (await post(`${url}/v1/completions`, hello)).text();

  expect([ended, first]).toEqual([["ok"], [10]]);
});
