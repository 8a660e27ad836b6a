import { describe, expect, test } from "vitest";
import { ledger, meteredAccounts, reservations, START_MS } from "../../test/support/accounting.ts";
import { STORES } from "../../test/support/stores.ts";
import { changeLimits, listLimits } from "./limits.ts";

const MINUTE_MS = 60_000;

describe.each(STORES)("the account on %s", (_name, stores) => {
  const setUp = meteredAccounts(stores());

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
