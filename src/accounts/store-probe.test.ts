import { sql } from "kysely";
import { expect, onTestFinished, test, vi } from "vitest";
import { freshLibsql } from "../../test/support/stores.ts";
import { thisNode } from "./nodes.ts";
import { StoreProbe } from "./store-probe.ts";

test("a store that takes a write is no obstacle, and is asked once a second at most", async () => {
  const store = await freshLibsql();
  let timeMs = 5_000;
  const probe = new StoreProbe({ store, node: thisNode(), now: () => timeMs });
  const seen = async () => (await store.selectFrom("nodes").select("seen_at_ms").execute())[0]?.seen_at_ms;

  expect(await probe.obstacle()).toBeUndefined();
  timeMs += 999;
  await probe.obstacle();
  expect(await seen()).toBe(5_000);

  timeMs += 1;
  await probe.obstacle();
  expect(await seen()).toBe(6_000);
});

test("a store that takes none is an obstacle with its reason, until it does", async () => {
  const store = await freshLibsql();
  let timeMs = 0;
  const probe = new StoreProbe({ store, node: thisNode(), now: () => timeMs });
  const restrict = async (isOn: boolean) => {
    await sql`pragma query_only = ${sql.lit(isOn ? 1 : 0)}`.execute(store);
  };

  await restrict(true);
  expect(await probe.obstacle()).toMatch(/^the database .* cannot be used.*readonly database/);

  await restrict(false);
  timeMs += 1_000;
  expect(await probe.obstacle()).toBeUndefined();
});

test("a store that does not answer is not waited for, and not asked again meanwhile", async () => {
  const store = await freshLibsql();
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  // The one connection of an embedded store is taken.
  const transaction = store.transaction().execute(() => held);
  onTestFinished(() => release());
  let timeMs = 0;
  const probe = new StoreProbe({ store, node: thisNode(), now: () => timeMs, answerWithinMs: 20 });
  const asked = vi.spyOn(store, "insertInto");

  expect(await probe.obstacle()).toBe("the database does not answer within 20 ms");
  timeMs += 60_000;
  expect(await probe.obstacle()).toBe("the database does not answer within 20 ms");
  expect(asked).toHaveBeenCalledTimes(1);

  release();
  await transaction;
});
