/** The routes, metrics and the drain that the files of `deploy/` count on, on the real server with the real configuration. */
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { parse, stringify } from "yaml";
import { eventually, get, type Json, metric, postStream } from "../support/calls.ts";
import { peerServer } from "../support/peer-server.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { startTinyServer } from "../support/tiny-server.ts";
import { manifestOf } from "./manifests.ts";

const CONFIG = new URL("../../deploy/kubernetes/continuo.yaml", import.meta.url);
const KEY = { CONTINUO_API_KEY: "sk-test", CONTINUO_ADMIN_KEY: "sk-admin", VLLM_API_KEY: "sk-vllm" };
const AUTHORIZATION = { authorization: "Bearer sk-test" };
const [gateway] = manifestOf("Deployment", "continuo").spec.template.spec.containers;
const pathOf = (probe: string): string => gateway[probe].httpGet.path;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "continuo-deploy-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The server with that configuration; its vLLMs are at `peer`. */
async function start(peer: string): Promise<RunningServer> {
  const config: Json = parse(readFileSync(CONFIG, "utf8"));
  for (const engine of Object.values<Json>(config.engines)) engine.url = peer;
  const file = join(folder, "continuo.yaml");
  writeFileSync(file, stringify(config));
  const server = await startServer({ args: ["--config", file, "--host", "127.0.0.1"], env: KEY });
  onTestFinished(async () => void (await server.stop()));
  return server;
}

test("without any vLLM the pod lives and is not ready; with one it is", async () => {
  const silent = await peerServer({});
  const models = { object: "list", data: [{ id: "Qwen/Qwen2.5-Coder-7B-Instruct", max_model_len: 4_096 }] };
  const vllm = await peerServer({
    "GET /version": (_call, response) => response.end('{"version":"0.32.0"}'),
    "GET /v1/models": (_call, response) => response.end(JSON.stringify(models)),
    "POST /tokenize": (_call, response) => response.end('{"count":1,"max_model_len":4096,"tokens":[1]}'),
  });
  const alone = await start(silent.url);
  await eventually("it has asked them all", async () =>
    (await get(alone.url, pathOf("readinessProbe"))).text.includes("has failed"),
  );

  expect((await get(alone.url, pathOf("startupProbe"))).status).toBe(200);
  expect((await get(alone.url, pathOf("livenessProbe"))).status).toBe(200);
  expect((await get(alone.url, pathOf("readinessProbe"))).status).toBe(503);

  const served = await start(vllm.url);
  await eventually("it is ready", async () => (await get(served.url, pathOf("readinessProbe"))).status === 200);
});

test("the autoscaler's metric is there, for every replica of the model that it names", async () => {
  const { url } = await start((await peerServer({})).url);
  const autoscaler = manifestOf("HorizontalPodAutoscaler", "vllm").spec;
  const { name, selector } = autoscaler.metrics[0].external.metric;
  const adapter: Json = parse(readFileSync(new URL("../../deploy/prometheus/adapter.yaml", import.meta.url), "utf8"));

  expect((await get(url, "/metrics")).status).toBe(401);
  const { text } = await get(url, "/metrics", AUTHORIZATION);
  const lines = text
    .split("\n")
    .filter((line) => line.startsWith(`${name}{model="${selector.matchLabels.model}",replica="`));
  expect(lines).toHaveLength(autoscaler.maxReplicas);
  expect(adapter.externalRules[0].seriesQuery).toMatch(new RegExp(`^${name}\\{`));
});

test("told to stop, the pod is not ready any more, ends its stream, and then itself in time", async () => {
  const { readinessProbe, lifecycle } = gateway;
  const { terminationGracePeriodSeconds } = manifestOf("Deployment", "continuo").spec.template.spec;
  const limits = { drain_grace_ms: parse(readFileSync(CONFIG, "utf8")).limits.drain_grace_ms };
  const file = join(folder, "drain.yaml");
  writeFileSync(file, stringify({ limits }));
  const shape = { layers: 6, width: 192, heads: 6, kvHeads: 2, feedForward: 768 };
  const server = await startTinyServer({ tiny: { shape } }, { args: ["--config", file] });
  const body = { model: "tiny", prompt: "hello", temperature: 0, max_tokens: 300 };
  const answer = postStream(server.url, "/v1/completions", body);
  await eventually("it runs", async () => (await metric(server.url, "continuo_engine_running")) === 1);

  const toldAtMs = performance.now();
  const exit = server.stop();
  const ready = await firstUnready(server.url, readinessProbe.httpGet.path);
  expect(ready).toMatchObject({ status: 503, json: { reason: expect.stringContaining("draining") } });
  expect(await answer).toMatchObject({ status: 200, done: true });
  expect(await exit, server.log()).toBe(0);
  expect(server.log()).toContain(`may finish within ${limits.drain_grace_ms / 1_000} s`);

  const [, waitSeconds] = lifecycle.preStop.exec.command;
  const tookSeconds = (performance.now() - toldAtMs) / 1_000;
  expect(tookSeconds + Number(waitSeconds)).toBeLessThan(terminationGracePeriodSeconds);
});

async function firstUnready(url: string, path: string): Promise<Json> {
  let last: Json;
  await eventually("it says that it is not ready", async () => {
    last = await get(url, path);
    return last.status === 503;
  });
  return last;
}

test("the image's own check asks a route that is there, on the port of the default", () => {
  const source = readFileSync(fileURLToPath(new URL("../../deploy/Dockerfile", import.meta.url)), "utf8");

  expect(/HEALTHCHECK .*fetch\('([^']+)'\)/.exec(source)?.[1]).toBe(`http://127.0.0.1:8100${pathOf("livenessProbe")}`);
});
