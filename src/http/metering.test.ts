import { describe, expect, test } from "vitest";
import { ledger, meterOn, reservations } from "../../test/support/accounting.ts";
import { configuredKeys } from "../../test/support/authenticators.ts";
import { deltaPart, gate, ScriptedEngine, type Step, saying, startPart } from "../../test/support/scripted-engine.ts";
import { post, serve } from "../../test/support/scripted-service.ts";
import { freshLibsql } from "../../test/support/stores.ts";
import { changeLimits, type LimitFigures } from "../accounts/limits.ts";
import { ServiceError } from "../errors.ts";

const SURFACES = [
  ["completions", "/compatible-mode/v1/completions", { model: "m", prompt: "say hello" }],
  ["chat", "/compatible-mode/v1/chat/completions", { model: "m", messages: [{ role: "user", content: "hi" }] }],
  [
    "generation",
    "/api/v1/services/aigc/text-generation/generation",
    { model: "m", input: { messages: [{ role: "user", content: "hi" }] } },
  ],
] as const;
const [[, COMPLETIONS, hello], , [, GENERATION, greeting]] = SURFACES;
const SSE = { "x-dashscope-sse": "enable" };

/** A service with an account, in front of an engine that says this. */
async function metered(script: () => Iterable<Step>, limits: Partial<LimitFigures> = {}) {
  const store = await freshLibsql();
  if (Object.keys(limits).length > 0) {
    const ada = { store, actor: "ada", now: Date.now };
    await changeLimits(ada, "default", [{ pattern: "m", set: limits }]);
  }
  const engine = new ScriptedEngine(script);
  const serving = await serve(engine, { meter: await meterOn(store, Date.now) });
  /** Once the log has the request, so has the account. */
  const logged = () => serving.entry((entry) => entry["outcome"] !== undefined);
  return { ...serving, engine, store, logged };
}

describe.each(SURFACES)("a request for %s", (protocol, path, body) => {
  test.each([
    ["plain", {}, {}],
    ["streamed", { stream: true }, SSE],
  ])("leaves one record, %s", async (_how, added, headers) => {
    const { url, store, logged } = await metered(() => saying(["a", "b"], { cachedPromptTokens: 1 }));

    await (await post(url + path, { ...body, ...added }, { headers })).text();
    await logged();

    expect(await ledger(store)).toMatchObject([
      {
        ...{ protocol, model: "m", workspace_id: "default", key_id: null, outcome: "ok", is_estimate: 0 },
        ...{ prompt_tokens: 3, cached_prompt_tokens: 1, completion_tokens: 2 },
      },
    ]);
    expect(await reservations(store)).toEqual([]);
  });

  test("leaves one record when the engine fails midway", async () => {
    const { url, store, logged } = await metered(() => [startPart(), deltaPart("a"), new Error("a bug")]);

    await (await post(url + path, { ...body, stream: true }, { headers: SSE })).text();
    await logged();

    expect(await ledger(store)).toMatchObject([
      { prompt_tokens: 3, completion_tokens: 1, outcome: "internal", is_estimate: 1 },
    ]);
  });

  test.each([
    ["plain", {}, {}],
    ["streamed", { stream: true }, SSE],
  ])("leaves one record when its client goes away, %s", async (_how, added, headers) => {
    const leaving = new AbortController();
    const said = gate();
    const { url, store, logged } = await metered(function* () {
      yield startPart();
      yield deltaPart("a");
      said.open();
      yield new Promise(() => undefined);
    });

    const answer = post(url + path, { ...body, ...added }, { headers, signal: leaving.signal }).then((response) =>
      response.text(),
    );
    await said.opened;
    leaving.abort();
    await expect(answer).rejects.toThrow();
    await logged();

    expect(await ledger(store)).toMatchObject([
      { prompt_tokens: 3, completion_tokens: 1, outcome: "client_left", is_estimate: 1 },
    ]);
    expect(await reservations(store)).toEqual([]);
  });
});

test("what the engine does not take leaves no record, and takes nothing from a limit", async () => {
  const refusals = [
    new ServiceError("invalid_parameter", "Range of input length should be [1, 9]"),
    new ServiceError("queue_full", "full"),
  ];
  const { url, store } = await metered(() => [refusals.shift() ?? new Error("no more")], { requestsPerMinute: 2 });

  const statuses = [await post(url + COMPLETIONS, hello), await post(url + COMPLETIONS, hello)].map(
    ({ status }) => status,
  );

  expect(statuses).toEqual([400, 503]);
  expect([await ledger(store), await reservations(store)]).toEqual([[], []]);
  expect(await store.selectFrom("limit_seconds").select("requests").execute()).toEqual(
    expect.arrayContaining([{ requests: 0 }]),
  );
});

test("what is refused before it reaches an engine leaves no record", async () => {
  const { url, store, engine } = await metered(() => saying(["a"]));

  await post(url + COMPLETIONS, { ...hello, temperature: 9 });
  await post(url + COMPLETIONS, { ...hello, model: "nope" });

  expect(await ledger(store)).toEqual([]);
  expect(engine.calls).toEqual([]);
});

test("several prompts are one request with the sum of their tokens", async () => {
  const { url, store, logged } = await metered(() => saying(["a", "b"]));

  await (await post(url + COMPLETIONS, { model: "m", prompt: ["one", "two", "three"] })).text();
  await logged();

  expect(await ledger(store)).toMatchObject([{ prompt_tokens: 9, completion_tokens: 6 }]);
});

test("a request has the id of its answer, and the key by its label", async () => {
  const store = await freshLibsql();
  const { url, entry } = await serve(new ScriptedEngine(() => saying(["a"])), {
    authenticator: configuredKeys(["sk-right"], "main"),
    meter: await meterOn(store, Date.now),
  });

  const response = await post(url + COMPLETIONS, hello, { headers: { authorization: "Bearer sk-right" } });
  await response.text();
  await entry((each) => each["outcome"] !== undefined);

  expect(await ledger(store)).toMatchObject([
    { id: response.headers.get("x-request-id"), key_id: "config:key 1", workspace_id: "default" },
  ]);
});

test.each<[string, Partial<LimitFigures>, [string, string], [string, string]]>([
  [
    "requests per minute",
    { requestsPerMinute: 1 },
    ["limit_requests", "You have exceeded your current request limit."],
    ["Throttling.RateQuota", "Requests rate limit exceeded, please try again later."],
  ],
  [
    "tokens per minute",
    { tokensPerMinute: 1 },
    ["insufficient_quota", "You exceeded your current quota, please check your plan and billing details."],
    ["Throttling.AllocationQuota", "Allocated quota exceeded, please increase your quota limit."],
  ],
  [
    "tokens per month",
    { monthlyTokens: 1 },
    ["insufficient_quota", "You exceeded your current quota, please check your plan and billing details."],
    ["Throttling.AllocationQuota", "Allocated quota exceeded, please increase your quota limit."],
  ],
])(
  "beyond its %s a workspace gets 429 in the words of each wire, and no engine",
  async (_what, limits, openAi, native) => {
    const { url, store, engine, logged } = await metered(() => saying(["a"]), limits);
    await (await post(url + COMPLETIONS, hello)).text();
    await logged();

    const compatible = await post(url + COMPLETIONS, { ...hello, stream: true });
    const generation = await post(url + GENERATION, greeting, { headers: SSE });

    const [code, message] = openAi;
    expect([compatible.status, await compatible.json()]).toEqual([
      429,
      { error: { message, type: code, param: null, code }, request_id: compatible.headers.get("x-request-id") },
    ]);
    expect([generation.status, await generation.json()]).toEqual([
      429,
      { code: native[0], message: native[1], request_id: generation.headers.get("x-request-id") },
    ]);
    expect(engine.calls).toHaveLength(1);
    expect(await ledger(store)).toHaveLength(1);
  },
);

test("no more requests run at the same time than may", async () => {
  const over = gate();
  const { url, engine } = await metered(() => [startPart(), over.opened, ...saying(["a"]).slice(1)], {
    concurrentRequests: 1,
  });
  const first = post(url + COMPLETIONS, hello);
  await engine.call();

  const second = await post(url + COMPLETIONS, hello);

  expect(second.status).toBe(429);
  expect(second.headers.get("retry-after")).toBe("1");
  over.open();
  expect((await first).status).toBe(200);
});
