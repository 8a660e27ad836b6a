import { describe, expect, test } from "vitest";
import { configuredKeys } from "../../test/support/authenticators.ts";
import { ScriptedEngine, saying } from "../../test/support/scripted-engine.ts";
import { post, serve } from "../../test/support/scripted-service.ts";
import { freshLibsql } from "../../test/support/stores.ts";
import type { ServingEngine } from "./serving-engine.ts";

const engine = () => new ScriptedEngine(() => saying(["a", "b", "c"]));

test("a server whose engine serves is alive and ready", async () => {
  const { url } = await serve(engine());

  const health = await fetch(`${url}/health`);
  const ready = await fetch(`${url}/ready`);

  expect(await health.json()).toMatchObject({ status: "ok", engines: [{ name: "scripted-weights", state: "ready" }] });
  expect([ready.status, await ready.json()]).toMatchObject([200, { ready: true }]);
});

test.each(["loading", "failed"] as const)(
  "a server whose engine is %s is alive but not ready, and says why",
  async (state) => {
    const ill = engine();
    ill.setHealth({ state, detail: "for a reason" });
    const { url } = await serve(ill);

    const health = await fetch(`${url}/health`);
    const ready = await fetch(`${url}/ready`);

    expect(health.status).toBe(200);
    expect([ready.status, await ready.json()]).toMatchObject([
      503,
      { ready: false, reason: expect.stringContaining("for a reason") },
    ]);
  },
);

test("weights that are loaded on first use leave the server ready, and so do those that are loaded again later", async () => {
  const lazy = engine();
  lazy.setHealth({ state: "unloaded", detail: "loaded on first use" });
  const { url } = await serve(lazy);
  expect((await fetch(`${url}/ready`)).status).toBe(200);

  lazy.setHealth({ state: "loading", detail: "42 % loaded" });

  expect((await fetch(`${url}/ready`)).status).toBe(200);
});

test("one failed engine among serving ones leaves the server ready", async () => {
  const ill = new ScriptedEngine(() => [], "ill");
  ill.setHealth({ state: "failed", detail: "no file" });
  const well = engine();
  const { url } = await serve(well, { engines: () => [ill, well].map((one) => ({ name: one.name, engine: one })) });

  expect((await fetch(`${url}/ready`)).status).toBe(200);
});

test("one stalled engine makes the server not ready, whatever the others do", async () => {
  const ill = new ScriptedEngine(() => [], "ill");
  const well = engine();
  const { url } = await serve(well, { engines: () => [well, ill].map((one) => ({ name: one.name, engine: one })) });
  expect((await fetch(`${url}/ready`)).status).toBe(200);

  ill.setHealth({ state: "stalled", detail: "no progress for 5.0 s" });
  const ready = await fetch(`${url}/ready`);

  expect([ready.status, await ready.json()]).toMatchObject([503, { reason: "ill has stalled: no progress for 5.0 s" }]);
});

test("a server without a model is alive, and its readiness says what to do", async () => {
  const { url } = await serve(engine(), { engines: () => [] });

  const ready = await fetch(`${url}/ready`);

  expect((await fetch(`${url}/health`)).status).toBe(200);
  expect([ready.status, await ready.json()]).toMatchObject([503, { reason: expect.stringContaining("--model FILE") }]);
});

test("a server whose store cannot be used is alive but not ready, until the store is back", async () => {
  let obstacle: string | undefined = "the database /data/continuo.db cannot be written: its disk is full";
  const { url } = await serve(engine(), { storeObstacle: async () => obstacle });

  const ready = await fetch(`${url}/ready`);
  expect((await fetch(`${url}/health`)).status).toBe(200);
  expect([ready.status, await ready.json()]).toMatchObject([503, { ready: false, reason: obstacle }]);

  obstacle = undefined;
  expect((await fetch(`${url}/ready`)).status).toBe(200);
});

describe("reasons, with addresses and errors in them,", () => {
  const administration = { keys: [{ key: "sk-admin", label: "ada" }] };
  const keyed = { authenticator: configuredKeys(["sk-1"], "default") };
  const bodyOf = async (url: string, path: string, key?: string): Promise<string> =>
    (await fetch(url + path, { headers: key === undefined ? {} : { authorization: `Bearer ${key}` } })).text();
  const SECRET = "http://10.0.0.5:8000 refuses";

  test.each(["stalled", "loading", "failed"] as const)(
    "of an engine that is %s are for admin keys, where calls need a key; its state is for everybody",
    async (state) => {
      const ill = engine();
      ill.setHealth({ state, detail: SECRET });
      const store = await freshLibsql();
      const service = await serve(ill, { ...keyed, administration: { ...administration, store, now: Date.now } });

      for (const path of ["/health", "/ready"]) {
        expect(await bodyOf(service.url, path, "sk-admin")).toContain(SECRET);
        for (const key of [undefined, "sk-1", "sk-wrong"]) {
          const body = await bodyOf(service.url, path, key);
          expect(body).not.toContain("10.0.0.5");
          expect(JSON.parse(body)).toMatchObject({ engines: [{ name: "scripted-weights", state, detail: null }] });
        }
      }
      expect(JSON.parse(await bodyOf(service.url, "/ready")).reason).toMatch(/^scripted-weights (has|is) \w+$/);
    },
  );

  test("of replicas and of the store are, too", async () => {
    const well = engine();
    well.setHealth({ state: "ready", detail: SECRET });
    const pool: ServingEngine = {
      ...{ name: "m", engine: engine(), kind: "pool" },
      replicas: () => [{ name: "scripted-weights", running: 0, isBroken: false }],
    };
    const { url } = await serve(well, {
      ...keyed,
      engines: () => [pool, { name: well.name, engine: well }],
      storeObstacle: async () => SECRET,
    });

    expect(JSON.parse(await bodyOf(url, "/ready"))).toMatchObject({
      reason: "the database cannot be used",
      engines: [{ replicas: [{ state: "ready", detail: null }] }, { detail: null }],
    });
  });

  test.each([
    ["everybody", "no key", []],
    ["nobody", "a key", ["sk-1"]],
  ])("are for %s while the store fails, where calls needed %s before", async (_whom, _what, keys) => {
    const authenticator = configuredKeys(keys, "default");
    let fails = false;
    const isOpen = () => (fails ? Promise.reject(new Error("no store")) : authenticator.isOpen());
    const { url } = await serve(engine(), {
      authenticator: { ...authenticator, isOpen },
      storeObstacle: async () => (fails ? SECRET : undefined),
    });

    fails = true;

    const reason = keys.length === 0 ? SECRET : "the database cannot be used";
    expect(JSON.parse(await bodyOf(url, "/ready"))).toMatchObject({ ready: false, reason });
  });

  test("are for nobody while nothing is known of keys", async () => {
    const ill = engine();
    ill.setHealth({ state: "failed", detail: SECRET });
    const isOpen = () => Promise.reject(new Error("no store"));
    const { url } = await serve(ill, { authenticator: { ...configuredKeys([], "default"), isOpen } });

    expect(JSON.parse(await bodyOf(url, "/ready"))).toMatchObject({
      ready: false,
      reason: "scripted-weights has failed",
    });
  });
});

test("probes need no key, metrics do", async () => {
  const { url } = await serve(engine(), { authenticator: configuredKeys(["sk-1"], "default") });

  const statuses = await Promise.all(
    ["/health", "/ready", "/metrics"].map(async (path) => (await fetch(url + path)).status),
  );

  expect(statuses).toEqual([200, 200, 401]);
});

test("metrics count requests, times and what the engine counts", async () => {
  const counting = engine();
  counting.setStats({ queued: 4, cachedPromptTokens: 12, restarts: 2, aborted: { queued: 1, prefill: 2, decode: 3 } });
  const { url, entry } = await serve(counting);
  await (await post(`${url}/v1/completions`, { model: "m", prompt: "a" })).text();
  await (await post(`${url}/v1/completions`, { model: "unheard-of", prompt: "a" })).text();
  await entry(({ outcome }) => outcome === "ok");
  await entry(({ outcome }) => outcome === "model_not_found");

  const response = await fetch(`${url}/metrics`);
  const text = await response.text();

  expect(response.headers.get("content-type")).toContain("text/plain");
  const line = (name: string) => text.split("\n").filter((found) => found.startsWith(name));
  expect(line("continuo_requests_total")).toEqual([
    'continuo_requests_total{protocol="completions",model="m",dialect="openai",outcome="ok"} 1',
    'continuo_requests_total{protocol="completions",model="other",dialect="openai",outcome="model_not_found"} 1',
  ]);
  expect(line("gen_ai_server_time_to_first_token_seconds_count")).toEqual([
    'gen_ai_server_time_to_first_token_seconds_count{protocol="completions",model="m"} 1',
  ]);
  expect(line("gen_ai_server_time_per_output_token_seconds_count")[0]).toMatch(/ 2$/);
  expect(line("gen_ai_server_request_duration_seconds_count")[0]).toMatch(/ 1$/);
  expect(line("continuo_engine_queue_depth")).toEqual(['continuo_engine_queue_depth{engine="scripted-weights"} 4']);
  expect(line("continuo_engine_cached_prompt_tokens_total")[0]).toMatch(/ 12$/);
  expect(line("continuo_engine_restarts_total")[0]).toMatch(/ 2$/);
  expect(line('continuo_engine_aborted_requests_total{engine="scripted-weights",phase="decode"}')[0]).toMatch(/ 3$/);
  expect(text).toContain("nodejs_eventloop_lag_seconds");
});

test("a second scrape shows the engine's figures again, not their sum", async () => {
  const counting = engine();
  counting.setStats({ restarts: 2 });
  const { url } = await serve(counting);
  await (await fetch(`${url}/metrics`)).text();

  const text = await (await fetch(`${url}/metrics`)).text();

  expect(text).toContain('continuo_engine_restarts_total{engine="scripted-weights"} 2');
});
