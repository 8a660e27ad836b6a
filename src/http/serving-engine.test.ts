import { describe, expect, test } from "vitest";
import { configuredKeys } from "../../test/support/authenticators.ts";
import { NEVER, request } from "../../test/support/pooling.ts";
import { type Script, ScriptedEngine, saying, scriptedCard } from "../../test/support/scripted-engine.ts";
import { hello, post, type ServingOptions, serve } from "../../test/support/scripted-service.ts";
import { freshLibsql } from "../../test/support/stores.ts";
import { collect } from "../continuation/output.ts";
import { ServiceError } from "../errors.ts";
import { Pool } from "../pool/pool.ts";
import { modelEntry } from "../wire/openai/models.ts";
import type { ServingEngine } from "./serving-engine.ts";

interface PoolScript {
  readonly first?: Script;
  /** Of the replicas; absent: both know the same. */
  readonly prefixes?: readonly (string | undefined)[];
}

/** The name `m`, answered by two replicas, of which the first is preferred, and `other`, which has its own engine. */
async function pooled(options: ServingOptions = {}, { first = () => saying(["a"]), prefixes = [] }: PoolScript = {}) {
  const replicas = [new ScriptedEngine(first, "r0"), new ScriptedEngine(() => saying(["a"]), "r1")];
  const other = new ScriptedEngine(() => saying(["b"]), "other");
  const pool = new Pool({
    ...{ name: "m", policy: "least_loaded", maxResumes: 3, random: () => 0, report: () => {}, now: () => 0 },
    replicas: replicas.map((engine, index) => ({ engine, weight: 10 - index })),
    after: () => () => {},
  });
  const engines: ServingEngine[] = [
    { name: "m", engine: pool, kind: "pool", replicas: () => pool.poolStats().replicas },
    ...replicas.map((engine, index) => ({
      ...{ name: engine.name, engine, kind: "vllm", url: `http://10.0.0.5/${engine.name}` },
      prefix: () => (index in prefixes ? prefixes[index] : "continue_final_message"),
    })),
    { name: "other", engine: other, kind: "llama.cpp" },
  ];
  const cards = engines.map(({ name }) =>
    scriptedCard(name, { answeredBy: { ...scriptedCard(name).answeredBy, id: name } }),
  );
  const service = await serve(other, { cards, engines: () => engines, ...options });
  const ill = (index: number, state: "failed" | "stalled" | "loading", detail: string) =>
    replicas[index]?.setHealth({ state, detail });
  return { ...service, ill, pool, other };
}

const ready = async (url: string) => {
  const response = await fetch(`${url}/ready`);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};
const model = async (url: string, name: string, key?: string) => {
  const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const response = await fetch(`${url}/v1/models/${name}`, { headers });
  return modelEntry.parse(await response.json()).continuo;
};

describe("/ready", () => {
  test.each(["failed", "stalled", "loading"] as const)(
    "a replica that is %s leaves the server ready, and is named with the reason",
    async (state) => {
      const { url, ill } = await pooled();
      ill(1, state, "nobody answers there");
      const { status, body } = await ready(url);

      expect(status).toBe(200);
      expect(body["engines"]).toContainEqual(
        expect.objectContaining({
          name: "m",
          kind: "pool",
          state: "ready",
          replicas: [
            { name: "r0", state: "ready", detail: "scripted", circuit: "closed", running: 0 },
            { name: "r1", state, detail: "nobody answers there", circuit: "closed", running: 0 },
          ],
        }),
      );
    },
  );

  test("all replicas of a pool that have stalled make it not ready, with every reason", async () => {
    const { url, ill } = await pooled();
    ill(0, "stalled", "one");
    ill(1, "stalled", "two");

    expect(await ready(url)).toMatchObject({
      status: 503,
      body: { reason: expect.stringMatching(/m has stalled.*one.*two/) },
    });
  });

  test("a pool of which nobody is there leaves it ready as long as another name is answered", async () => {
    const { url, ill, other } = await pooled();
    ill(0, "failed", "one");
    ill(1, "failed", "two");
    expect((await ready(url)).status).toBe(200);

    other.setHealth({ state: "failed", detail: "no file" });
    expect(await ready(url)).toMatchObject({
      status: 503,
      body: { reason: expect.stringMatching(/two[\s\S]*no file/) },
    });
  });

  test("a replica that failed too often shows an open circuit", async () => {
    const away = new ServiceError("model_unavailable", "it broke off");
    const { url, pool } = await pooled({}, { first: () => [away] });
    for (let each = 0; each < 3; each += 1) await collect(pool.generate(request(), NEVER));
    const { body } = await ready(url);

    expect(body["engines"]).toContainEqual(
      expect.objectContaining({
        name: "m",
        replicas: [
          expect.objectContaining({ name: "r0", circuit: "open" }),
          expect.objectContaining({ name: "r1", circuit: "closed" }),
        ],
      }),
    );
  });
});

describe("/v1/models", () => {
  test("says how a name is answered: by what, where, by which replicas in which state", async () => {
    const { url, ill } = await pooled();
    ill(1, "failed", "nobody answers there");

    expect((await model(url, "r0")).engine).toEqual({
      kind: "vllm",
      address: "http://10.0.0.5/r0",
      prefix: "continue_final_message",
      replicas: [],
    });
    const { engine, state, fallbacks } = await model(url, "m");
    expect([engine?.kind, engine?.address, state, fallbacks]).toEqual(["pool", null, "ready", []]);
    expect(engine?.replicas).toEqual([
      {
        ...{ model: "r0", kind: "vllm", address: "http://10.0.0.5/r0", state: "ready", detail: "scripted" },
        ...{ circuit: "closed", running: 0 },
      },
      {
        ...{
          model: "r1",
          kind: "vllm",
          address: "http://10.0.0.5/r1",
          state: "failed",
          detail: "nobody answers there",
        },
        ...{ circuit: "closed", running: 0 },
      },
    ]);
    expect((await model(url, "other")).engine).toEqual({
      kind: "llama.cpp",
      address: null,
      prefix: null,
      replicas: [],
    });
  });

  test.each([
    [["partial", "partial"], "partial"],
    [["rendered", "partial"], "rendered, partial"],
    [["rendered", undefined], "rendered"],
    [[undefined, undefined], null],
  ])("says of replicas that take the beginning of an answer as %j: %j", async (prefixes, told) => {
    const { url } = await pooled({}, { prefixes });

    expect((await model(url, "m")).engine?.prefix).toBe(told);
  });

  test("where keys are needed only an administrator sees addresses, and every name", async () => {
    const { url } = await pooled({
      authenticator: configuredKeys(["sk-caller"], "default"),
      administration: { store: await freshLibsql(), now: Date.now, keys: [{ key: "sk-admin", label: "ada" }] },
    });
    const seen = async (key: string) => {
      const [one, both] = [await model(url, "r0", key), await model(url, "m", key)];
      return [one.engine?.address, both.engine?.replicas.map(({ address, detail, state }) => [address, detail, state])];
    };

    expect(await seen("sk-caller")).toEqual([
      null,
      [
        [null, null, "ready"],
        [null, null, "ready"],
      ],
    ]);
    expect(await seen("sk-admin")).toEqual([
      "http://10.0.0.5/r0",
      [
        ["http://10.0.0.5/r0", "scripted", "ready"],
        ["http://10.0.0.5/r1", "scripted", "ready"],
      ],
    ]);
    expect((await fetch(`${url}/v1/models`, { headers: { authorization: "Bearer sk-nobody" } })).status).toBe(401);
    const calling = await post(`${url}/v1/completions`, hello, { headers: { authorization: "Bearer sk-admin" } });
    expect(calling.status).toBe(401);
  });
});
