import { describe, expect, test } from "vitest";
import { crash, ledger, meteredAccounts, meterOn, reservations, START_MS } from "../../test/support/accounting.ts";
import { STORES } from "../../test/support/stores.ts";
import { usage } from "./usage.ts";

describe.each(STORES)("the account on %s", (_name, stores) => {
  const setUp = meteredAccounts(stores());

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

    test("that another node took for crashed keeps none of those that end with it from the account", async () => {
      const { meter, admission, store, now } = await setUp();
      const ids = ["a", "b", "c"];
      const requests = await Promise.all(ids.map((id) => meter.reserve(admission({ id }))));
      await store.updateTable("reservations").set({ node_id: "gone" }).where("id", "=", "b").execute();
      await meterOn(store, now);

      await Promise.all(requests.map((request) => request.settle("ok")));

      const outcomes = (await ledger(store)).map(({ id, outcome }) => [id, outcome]);
      expect(outcomes.sort()).toEqual([
        ["a", "ok"],
        ["b", "crashed"],
        ["c", "ok"],
      ]);
      expect(await reservations(store)).toEqual([]);
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
});
