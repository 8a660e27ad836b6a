import { describe, expect, test } from "vitest";
import { ledger, meterOn } from "../../test/support/accounting.ts";
import { openToAll } from "../../test/support/authenticators.ts";
import { thinking } from "../../test/support/pooling.ts";
import {
  deltaPart,
  gate,
  ScriptedEngine,
  type Step,
  saying,
  scriptedCard,
  startPart,
  usagePart,
} from "../../test/support/scripted-engine.ts";
import { eventData, hello, post, type ServingOptions, serve, streamed } from "../../test/support/scripted-service.ts";
import { freshLibsql } from "../../test/support/stores.ts";
import type { Directory } from "../directory/directory.ts";
import { type ErrorCode, modelNotFound, ServiceError } from "../errors.ts";
import type { Authenticator } from "./auth.ts";

const COMPLETIONS = "/v1/completions";
const AWAY = new ServiceError("model_unavailable", "nobody answers");

/** The names `m`, `y` and `z`, each with an engine of its own; `m` may be answered by the other two. */
async function serving(scripts: Readonly<Record<string, () => Iterable<Step>>>, options: ServingOptions = {}) {
  const engines = new Map(Object.entries(scripts).map(([name, script]) => [name, new ScriptedEngine(script, name)]));
  const cards = [...engines.keys()].map((name) =>
    scriptedCard(name, { answeredBy: { ...scriptedCard(name).answeredBy, id: name } }),
  );
  const directory: Directory = {
    find: (name) => cards.find((card) => card.name === name),
    list: () => cards,
    infillNames: () => [],
    fallbacksOf: (id) => (id === "m" ? ["y", "z"].filter((name) => engines.has(name)) : []),
    open: async (name) => {
      const [engine, card] = [engines.get(name), cards.find((each) => each.name === name)];
      if (engine === undefined || card === undefined) throw modelNotFound(name);
      return [{ engine, card }];
    },
  };
  const first = engines.get("m");
  if (first === undefined) throw new RangeError("there is no m");
  const service = await serve(first, { directory, ...options });
  const calls = () => Object.fromEntries([...engines].map(([name, engine]) => [name, engine.calls.length]));
  return { ...service, engines, calls, logged: () => service.entry((entry) => entry["outcome"] !== undefined) };
}

/** Everybody may call some names. */
function only(...names: readonly string[]): Authenticator {
  const open = openToAll("default");
  return {
    isOpen: () => open.isOpen(),
    authenticate: async (headers) => ({
      ...(await open.authenticate(headers)),
      mayCall: (model) => names.includes(model),
    }),
  };
}

describe("a name that cannot answer", () => {
  test.each(["model_unavailable", "queue_full", "request_timeout", "internal", "request_rate_exceeded"] as const)(
    "because of %s is answered for by the next, which is said",
    async (code) => {
      const { url, logged, metrics } = await serving({
        m: () => [new ServiceError(code, "no")],
        y: () => saying(["hey"]),
      });
      const response = await post(url + COMPLETIONS, hello);

      expect([response.status, response.headers.get("x-continuo-fallback")]).toEqual([200, "y"]);
      expect(await response.json()).toMatchObject({ model: "m", choices: [{ text: "hey" }] });
      expect(await logged()).toMatchObject({ model: "m", fallback: "y", outcome: "ok" });
      expect(await metrics.registry.metrics()).toContain('continuo_fallbacks_total{model="m",fallback="y"} 1');
    },
  );

  test("is answered for on streams too, also when it had said its start", async () => {
    const { url, calls } = await serving({
      m: () => [startPart(), AWAY],
      y: () => [AWAY],
      z: () => saying(["hey"]),
    });
    const response = await post(url + COMPLETIONS, streamed);
    const text = await response.text();

    expect(response.headers.get("x-continuo-fallback")).toBe("z");
    expect(eventData(text)).toContainEqual(expect.objectContaining({ model: "m" }));
    expect(text).toMatch(/hey[\s\S]*\[DONE\]/);
    expect(calls()).toEqual({ m: 1, y: 1, z: 1 });
  });

  test("says itself why, when the others cannot either", async () => {
    const { url, logged, calls } = await serving({
      m: () => [AWAY],
      y: () => [new ServiceError("invalid_parameter", "too long for y")],
      z: () => [new ServiceError("queue_full", "full")],
    });
    const response = await post(url + COMPLETIONS, hello);

    expect([response.status, response.headers.get("x-continuo-fallback")]).toEqual([503, null]);
    expect(await response.text()).toContain("nobody answers");
    expect(calls()).toEqual({ m: 1, y: 1, z: 1 });
    expect(await logged()).not.toHaveProperty("fallback");
  });

  test("is charged and limited as the name that answers, and only that", async () => {
    const store = await freshLibsql();
    const { url, logged } = await serving(
      { m: () => [startPart({ promptTokens: 9 }), AWAY], y: () => saying(["hey"]) },
      { meter: await meterOn(store, Date.now) },
    );
    await (await post(url + COMPLETIONS, hello)).text();
    await logged();

    expect(await ledger(store)).toMatchObject([{ model: "y", prompt_tokens: 3, completion_tokens: 1 }]);
    expect(await store.selectFrom("reservations").selectAll().execute()).toEqual([]);
  });
});

test.each([hello, streamed])(
  "a name that fails within its hidden thought is answered for, and the thought is charged",
  async (body) => {
    const store = await freshLibsql();
    const thinks = () => [startPart(), ...thinking(5), usagePart(5), AWAY];
    const { url, logged } = await serving(
      { m: thinks, y: thinks, z: () => saying(["hey"]) },
      { meter: await meterOn(store, Date.now) },
    );
    const response = await post(url + COMPLETIONS, body);

    expect(response.headers.get("x-continuo-fallback")).toBe("z");
    expect(await response.text()).toContain("hey");
    expect(await logged()).toMatchObject({ outcome: "ok", completionTokens: 1 });
    const records = await ledger(store);
    expect(records.map(({ model, completion_tokens, outcome }) => [model, completion_tokens, outcome])).toEqual([
      ["m", 5, "model_unavailable"],
      ["y", 5, "model_unavailable"],
      ["z", 1, "ok"],
    ]);
    expect(await store.selectFrom("reservations").selectAll().execute()).toEqual([]);
  },
);

test.each([
  ["plain", hello, { plainTimeoutMs: 900 }],
  ["streamed", streamed, { firstTokenTimeoutMs: 900 }],
])(
  "names that accept and never answer leave the next ones a part of the caller's time: %s",
  async (_, body, limits) => {
    const hangs = () => [gate().opened];
    const saysStart = () => [startPart(), gate().opened];
    const { url, calls, logged } = await serving({ m: hangs, y: saysStart, z: () => saying(["hey"]) }, { limits });
    const response = await post(url + COMPLETIONS, body);

    expect([response.status, response.headers.get("x-continuo-fallback")]).toEqual([200, "z"]);
    expect(await response.text()).toContain("hey");
    expect(await logged()).toMatchObject({ outcome: "ok", fallback: "z" });
    expect(calls()).toEqual({ m: 1, y: 1, z: 1 });
  },
);

describe("nobody answers for a name", () => {
  test.each<[ErrorCode, number]>([
    ["invalid_parameter", 400],
    ["unsupported_input", 400],
  ])("because of %s, which is the caller's", async (code, status) => {
    const { url, calls } = await serving({ m: () => [new ServiceError(code, "no")], y: () => saying(["hey"]) });

    expect((await post(url + COMPLETIONS, hello)).status).toBe(status);
    expect(calls()).toEqual({ m: 1, y: 0 });
  });

  test("whom the caller may not call", async () => {
    const scripts = { m: () => [AWAY], y: () => saying(["secret"]), z: () => saying(["hey"]) };
    const both = await serving(scripts, { authenticator: only("m", "z") });
    const none = await serving(scripts, { authenticator: only("m") });

    expect((await post(both.url + COMPLETIONS, hello)).headers.get("x-continuo-fallback")).toBe("z");
    expect((await post(none.url + COMPLETIONS, hello)).status).toBe(503);
    expect([both.calls(), none.calls()]).toEqual([
      { m: 1, y: 0, z: 1 },
      { m: 1, y: 0, z: 0 },
    ]);
  });

  test("after its first text", async () => {
    const { url, calls } = await serving({ m: () => [startPart(), deltaPart("he"), AWAY], y: () => saying(["hey"]) });
    const response = await post(url + COMPLETIONS, streamed);

    expect(await response.text()).toContain('"error"');
    expect((await post(url + COMPLETIONS, hello)).status).toBe(503);
    expect(response.headers.get("x-continuo-fallback")).toBeNull();
    expect(calls()).toEqual({ m: 2, y: 0 });
  });

  test("when the caller's own limits are full", async () => {
    const full = new ServiceError("request_rate_exceeded", "too many requests");
    const meter = { reserve: () => Promise.reject(full) };
    const { url, calls } = await serving({ m: () => saying(["a"]), y: () => saying(["b"]) }, { meter });

    expect((await post(url + COMPLETIONS, hello)).status).toBe(429);
    expect(calls()).toEqual({ m: 0, y: 0 });
  });

  test("whose caller has left", async () => {
    const wait = gate();
    const { url, engines, calls } = await serving({ m: () => [wait.opened, AWAY], y: () => saying(["hey"]) });
    const leave = new AbortController();
    const asking = post(url + COMPLETIONS, hello, { signal: leave.signal });
    const call = await engines.get("m")?.call();
    leave.abort();

    await expect(asking).rejects.toThrow();
    await call?.ended;
    expect(calls()).toEqual({ m: 1, y: 0 });
  });
});
