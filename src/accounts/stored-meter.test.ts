import { describe, expect, test } from "vitest";
import { crash, ledger, meterOn, reservations } from "../../test/support/accounting.ts";
import { STORES } from "../../test/support/stores.ts";
import type { Administrator } from "./administration.ts";
import { changeLimits, type LimitFigures, listLimits } from "./limits.ts";
import type { Admission } from "./meter.ts";
import { usage } from "./usage.ts";

/** 2026-09-21 at 14:13:50 UTC. */
const START_MS = 1_790_000_030_000;
const MINUTE_MS = 60_000;

describe.each(STORES)("the account on %s", (_name, stores) => {
  const freshStore = stores();

  async function setUp(limits: Readonly<Record<string, Partial<LimitFigures>>> = {}) {
    const clock = { nowMs: START_MS };
    const now = () => clock.nowMs;
    const store = await freshStore();
    const ada: Administrator = { store, actor: "ada", now };
    await changeLimits(
      ada,
      "default",
      Object.entries(limits).map(([pattern, set]) => ({ pattern, set })),
    );
    const meter = await meterOn(store, now);
    let requests = 0;
    const admission = (over: Partial<Admission> = {}): Admission => ({
      id: `request-${requests++}`,
      workspaceId: "default",
      model: "m",
      protocol: "chat",
      startedAtMs: clock.nowMs,
      promptTokens: 10,
      completionTokens: 90,
      ...over,
    });
    /** A request that runs from beginning to end. */
    const run = async (prompt: number, completion: number, over: Partial<Admission> = {}) => {
      const request = await meter.reserve(admission(over));
      await request.accepted(prompt);
      request.used({ promptTokens: prompt, completionTokens: completion, source: "engine" });
      await request.settle("ok");
    };
    const counted = async () => {
      const [limit] = await listLimits(ada);
      const row = await store.selectFrom("model_limits").select("reserved_tokens").executeTakeFirst();
      return { running: limit?.running, reserved: row?.reserved_tokens, month: limit?.tokensThisMonth };
    };
    return { ada, clock, store, meter, admission, run, counted, now };
  }

  describe("a request", () => {
    test("leaves one record, and no reservation", async () => {
      const { meter, admission, store, clock } = await setUp();
      const request = await meter.reserve(admission({ id: "r", keyId: "key_1", startedAtMs: START_MS - 5.5 }));
      await request.accepted(12);
      request.produced(3);
      request.used({ promptTokens: 12, completionTokens: 4, cachedPromptTokens: 8, source: "engine" });
      clock.nowMs += 700;

      await request.settle("ok");

      expect(await reservations(store)).toEqual([]);
      expect(await ledger(store)).toEqual([
        {
          id: "r",
          node_id: expect.stringMatching(/^node_/),
          workspace_id: "default",
          key_id: "key_1",
          model: "m",
          protocol: "chat",
          started_at_ms: START_MS - 6,
          ended_at_ms: START_MS + 700,
          prompt_tokens: 12,
          cached_prompt_tokens: 8,
          completion_tokens: 4,
          outcome: "ok",
          is_estimate: 0,
        },
      ]);
    });

    test("of forty at once waits for no other", async () => {
      const { store, run } = await setUp();

      await Promise.all(Array.from({ length: 40 }, () => run(12, 3)));

      expect(await ledger(store)).toHaveLength(40);
    });

    test("that is cut is charged what was seen of it, as an estimate", async () => {
      const { meter, admission, store } = await setUp();
      const request = await meter.reserve(admission());
      await request.accepted(12);
      request.produced(3);

      await request.settle("client_left");

      expect(await ledger(store)).toMatchObject([
        { prompt_tokens: 12, completion_tokens: 3, outcome: "client_left", is_estimate: 1, key_id: null },
      ]);
    });

    test("that the engine refuses leaves nothing", async () => {
      const { meter, admission, store, counted } = await setUp({ m: { requestsPerMinute: 1, tokensPerMinute: 50 } });
      const refused = await meter.reserve(admission());

      await refused.cancel();

      expect([await reservations(store), await ledger(store)]).toEqual([[], []]);
      expect(await counted()).toEqual({ running: 0, reserved: 0, month: 0 });
      await expect(meter.reserve(admission())).resolves.toBeDefined();
    });
  });

  describe("a crash", () => {
    test("charges the prompt and what was checkpointed, once, whoever finds it", async () => {
      const { meter, admission, store, counted, now, clock } = await setUp({ "*": { tokensPerMinute: 1000 } });
      const request = await meter.reserve(admission({ id: "r" }));
      await request.accepted(12);
      request.produced(5);
      request.delivered();
      clock.nowMs += 500;
      await meter.checkpoint();
      request.produced(2);
      expect(await counted()).toEqual({ running: 1, reserved: 85, month: 17 });
      await crash(store);

      await Promise.all([meterOn(store, now), meterOn(store, now)]);

      expect(await ledger(store)).toMatchObject([
        {
          id: "r",
          prompt_tokens: 12,
          completion_tokens: 5,
          outcome: "crashed",
          is_estimate: 1,
          ended_at_ms: START_MS + 500,
        },
      ]);
      expect(await reservations(store)).toEqual([]);
      expect(await counted()).toEqual({ running: 0, reserved: 0, month: 17 });
    });

    test("before the engine took the request charges nothing", async () => {
      const { meter, admission, store, now } = await setUp();
      await meter.reserve(admission());
      await crash(store);

      await meterOn(store, now);

      expect(await ledger(store)).toMatchObject([{ prompt_tokens: 0, completion_tokens: 0, outcome: "crashed" }]);
    });

    test("charges no text that was not handed out", async () => {
      const { meter, admission, store, now } = await setUp();
      const request = await meter.reserve(admission());
      await request.accepted(12);
      request.produced(5);
      await meter.checkpoint();
      await crash(store);

      await meterOn(store, now);

      expect(await ledger(store)).toMatchObject([{ prompt_tokens: 12, completion_tokens: 0 }]);
    });

    test("is told from a node that is busy elsewhere by its lease", async () => {
      const { meter, admission, store, now, clock } = await setUp();
      await meter.reserve(admission());
      await store.updateTable("nodes").set({ place: "elsewhere", process_id: 1 }).execute();
      clock.nowMs += 20_000;
      const other = await meterOn(store, now);
      expect(await reservations(store)).toHaveLength(1);

      clock.nowMs += 1;
      await other.lookAround();

      expect(await ledger(store)).toMatchObject([{ outcome: "crashed" }]);
    });

    test("is not assumed of nodes that live in the same process", async () => {
      const { meter, admission, store, now } = await setUp();
      const request = await meter.reserve(admission());

      await meterOn(store, now);

      await request.settle("ok");
      expect(await ledger(store)).toMatchObject([{ outcome: "ok" }]);
    });

    test("that was assumed wrongly counts the request once", async () => {
      const { meter, admission, store, now } = await setUp({ m: { concurrentRequests: 1 } });
      const request = await meter.reserve(admission());
      await request.accepted(12);
      await crash(store);
      await meterOn(store, now);

      request.produced(3);
      await request.settle("ok");

      expect(await ledger(store)).toMatchObject([{ outcome: "crashed", prompt_tokens: 12, completion_tokens: 0 }]);
      expect(await usage(store, { by: "model" })).toMatchObject([{ of: "m", requests: 1, promptTokens: 12 }]);
      await expect(meter.reserve(admission())).resolves.toBeDefined();
    });
  });

  describe("a limit", () => {
    test("of requests per minute holds in every minute, and comes back", async () => {
      const { run, clock } = await setUp({ "*": { requestsPerMinute: 2 } });
      await run(1, 1);
      clock.nowMs += 30_000;
      await run(1, 1);

      await expect(run(1, 1)).rejects.toMatchObject({ code: "request_rate_exceeded", status: 429 });
      await expect(run(1, 1)).rejects.toMatchObject({ detail: { retryAfterMs: 31_000 } });
      clock.nowMs = START_MS + MINUTE_MS;
      await expect(run(1, 1)).rejects.toMatchObject({ code: "request_rate_exceeded" });
      clock.nowMs += 1_000;
      await run(1, 1);
      await expect(run(1, 1)).rejects.toMatchObject({ code: "request_rate_exceeded" });
    });

    test("of tokens per minute lets a request start until it is used up", async () => {
      const { run, clock } = await setUp({ m: { tokensPerMinute: 100 } });
      await run(90, 9);
      await run(1, 500);

      await expect(run(1, 1)).rejects.toMatchObject({ code: "token_rate_exceeded", status: 429 });
      clock.nowMs += MINUTE_MS + 1_000;
      await run(1, 1);
    });

    test("of tokens keeps those that running requests may still use", async () => {
      const { meter, admission, run } = await setUp({ m: { tokensPerMinute: 150, monthlyTokens: 10_000 } });
      const first = await meter.reserve(admission());
      const second = await meter.reserve(admission());

      await expect(run(1, 1)).rejects.toMatchObject({ code: "token_rate_exceeded", detail: { retryAfterMs: 1_000 } });
      first.used({ promptTokens: 10, completionTokens: 5, source: "engine" });
      await first.settle("ok");
      await run(1, 1);
      await second.settle("ok");
    });

    test("of concurrent requests counts those that are running", async () => {
      const { meter, admission } = await setUp({ m: { concurrentRequests: 2 } });
      const first = await meter.reserve(admission());
      await meter.reserve(admission());

      await expect(meter.reserve(admission())).rejects.toMatchObject({ code: "concurrency_exceeded", status: 429 });
      await first.settle("ok");
      await expect(meter.reserve(admission())).resolves.toBeDefined();
    });

    test("of tokens per month counts the month from its start, and begins again with the next", async () => {
      const { ada, run, clock } = await setUp();
      await run(30, 30);
      await run(500, 500, { model: "other" });
      await changeLimits(ada, "default", [{ pattern: "m*", set: { monthlyTokens: 100 } }]);
      clock.nowMs += 3_000; // the list of limits is believed for two seconds
      await run(30, 9);
      await run(1, 0);

      await expect(run(1, 1)).rejects.toMatchObject({ code: "budget_exceeded", status: 429, detail: {} });
      expect(await listLimits(ada)).toMatchObject([{ tokensThisMonth: 100 }]);
      await run(1, 1, { model: "other" });
      clock.nowMs = Date.UTC(2026, 9, 1);
      await run(1, 1);
      expect(await listLimits(ada)).toMatchObject([{ tokensThisMonth: 2 }]);
    });

    test("that is smoothed gives every second a sixtieth", async () => {
      const { run, clock } = await setUp({ m: { requestsPerMinute: 120, smoothed: true } });
      await run(1, 1);
      await run(1, 1);

      await expect(run(1, 1)).rejects.toMatchObject({ code: "request_rate_exceeded", detail: { retryAfterMs: 1_000 } });
      clock.nowMs += 1_000;
      await run(1, 1);
    });

    test("is its workspace's, and bounds all models that fit together", async () => {
      const { run } = await setUp({ "q-*": { requestsPerMinute: 1 } });
      await run(1, 1, { model: "q-a" });

      await expect(run(1, 1, { model: "q-b" })).rejects.toMatchObject({ code: "request_rate_exceeded" });
      await run(1, 1, { model: "r" });
      await run(1, 1, { model: "q-a", workspaceId: "ws_other" });
    });

    test("that refuses takes nothing from the others, nor from itself", async () => {
      const { run, meter, admission, store } = await setUp({
        m: { concurrentRequests: 1, requestsPerMinute: 2 },
        "*": { requestsPerMinute: 3, tokensPerMinute: 1_000 },
      });
      const running = await meter.reserve(admission());
      const before = await store.selectFrom("model_limits").selectAll().orderBy("id").execute();
      for (let attempt = 0; attempt < 5; attempt += 1) await expect(run(1, 1)).rejects.toMatchObject({ status: 429 });

      expect(await store.selectFrom("model_limits").selectAll().orderBy("id").execute()).toEqual(before);
      expect(await reservations(store)).toHaveLength(1);
      await running.settle("ok");
      await run(1, 1);
      await expect(run(1, 1)).rejects.toMatchObject({ code: "request_rate_exceeded" });
      await run(1, 1, { model: "other" });
    });

    test("that is removed while requests hold it lets them end", async () => {
      const { ada, meter, admission, store, clock } = await setUp({ m: { tokensPerMinute: 10 } });
      const request = await meter.reserve(admission());
      await changeLimits(ada, "default", [{ pattern: "m", remove: true }]);

      await request.accepted(1_000);
      await expect(meter.reserve(admission())).resolves.toBeDefined();
      clock.nowMs += 3_000;
      await request.settle("ok");

      expect(await ledger(store)).toMatchObject([{ prompt_tokens: 1_000 }]);
      expect(await store.selectFrom("limit_seconds").selectAll().execute()).toEqual([]);
    });

    test("holds for requests that come at the same time", async () => {
      const { meter, admission } = await setUp({ m: { requestsPerMinute: 7 }, "*": { concurrentRequests: 30 } });

      const asked = await Promise.allSettled(Array.from({ length: 40 }, () => meter.reserve(admission())));

      expect(asked.filter(({ status }) => status === "fulfilled")).toHaveLength(7);
    });
  });
});
