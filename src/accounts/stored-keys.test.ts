import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { freshLibsql, STORES } from "../../test/support/stores.ts";
import type { Administrator } from "./administration.ts";
import { addGrants, removeGrants } from "./grants.ts";
import { createKey, deleteKey, disableKey, enableKey, listKeys, rotateKey } from "./keys.ts";
import { StoredKeys } from "./stored-keys.ts";
import { createWorkspace } from "./workspaces.ts";

const START_MS = 1_790_000_000_000;

/** Within this time every change must have taken effect. */
const SECONDS_MS = 5_000;

describe.each(STORES)("keys that may call, from %s", (_name, stores) => {
  const freshStore = stores();

  async function setUp() {
    const clock = { nowMs: START_MS };
    const now = () => clock.nowMs;
    const ada: Administrator = { store: await freshStore(), actor: "ada", now };
    return { ada, clock, keys: new StoredKeys(ada.store, now), later: () => (clock.nowMs += SECONDS_MS) };
  }

  test("there are none until the first is created, and the last one leaves its trace when it is deleted", async () => {
    const { ada, keys, later } = await setUp();

    expect(await keys.hasAny()).toBe(false);
    const { id } = await createKey(ada, { workspace: "default" });
    later();
    expect(await keys.hasAny()).toBe(true);
    await disableKey(ada, id);
    later();
    expect(await keys.hasAny()).toBe(true);
    await deleteKey(ada, id);
    later();
    expect(await keys.hasAny()).toBe(true);
  });

  test("a key is found from the moment it exists", async () => {
    const { ada, keys } = await setUp();
    const { id, secret } = await createKey(ada, { workspace: "default" });
    const other = `sk-${"0".repeat(32)}`;

    expect(await keys.find(other)).toBeUndefined();
    expect(await keys.find(secret)).toMatchObject({ id, workspaceId: "default" });
    expect(await keys.find(secret.toUpperCase())).toBeUndefined();
    expect(await keys.find(`${secret}0`)).toBeUndefined();
    expect(await keys.find(secret.slice(3))).toBeUndefined();
  });

  test.each([
    ["disabled", disableKey],
    ["deleted", deleteKey],
  ])("a key that is %s is like an unknown one within seconds", async (_how, revoke) => {
    const { ada, keys, later } = await setUp();
    const { id, secret } = await createKey(ada, { workspace: "default" });
    expect(await keys.find(secret)).toBeDefined();

    await revoke(ada, id);
    later();

    expect(await keys.find(secret)).toBeUndefined();
  });

  test("a key that is enabled again is found at once", async () => {
    const { ada, keys } = await setUp();
    const { id, secret } = await createKey(ada, { workspace: "default" });
    await disableKey(ada, id);
    expect(await keys.find(secret)).toBeUndefined();

    await enableKey(ada, id);

    expect(await keys.find(secret)).toMatchObject({ id });
  });

  test("a key expires to the millisecond, remembered or not", async () => {
    const { ada, clock, keys } = await setUp();
    const { secret } = await createKey(ada, { workspace: "default", expiresAtMs: START_MS + 500 });

    clock.nowMs += 499;
    expect(await keys.find(secret)).toBeDefined();
    clock.nowMs += 1;
    await expect(keys.find(secret)).rejects.toMatchObject({ code: "expired_api_key", status: 401 });
  });

  test("while a rotation overlaps both keys are found", async () => {
    const { ada, clock, keys } = await setUp();
    const old = await createKey(ada, { workspace: "default" });
    const fresh = await rotateKey(ada, old.id, 60_000);

    expect(await keys.find(old.secret)).toMatchObject({ id: old.id });
    expect(await keys.find(fresh.secret)).toMatchObject({ id: fresh.id });
    clock.nowMs += 60_000;
    await expect(keys.find(old.secret)).rejects.toMatchObject({ code: "expired_api_key" });
    expect(await keys.find(fresh.secret)).toMatchObject({ id: fresh.id });
  });

  test("the default workspace may call everything, another one what it was granted, within seconds", async () => {
    const { ada, keys, later } = await setUp();
    await createWorkspace(ada, "team");
    await addGrants(ada, "team", ["qwen-plus", "qwen2.5-coder-*"]);
    const main = await createKey(ada, { workspace: "default" });
    const team = await createKey(ada, { workspace: "team" });
    const allowed = async ({ secret }: { readonly secret: string }) => {
      const key = await keys.find(secret);
      return ["qwen-plus", "qwen2.5-coder-7b", "qwen-max"].map((model) => key?.mayCall(model));
    };

    expect(await allowed(main)).toEqual([true, true, true]);
    expect(await allowed(team)).toEqual([true, true, false]);
    await removeGrants(ada, "team", ["qwen2.5-coder-*"]);
    later();
    expect(await allowed(team)).toEqual([true, false, false]);
  });

  test("use is noted, at most once a minute", async () => {
    const { ada, clock, keys } = await setUp();
    const { secret } = await createKey(ada, { workspace: "default" });
    const lastUsed = async () => (await listKeys(ada)).map(({ lastUsedAtMs }) => lastUsedAtMs);
    expect(await lastUsed()).toEqual([undefined]);

    await keys.find(secret);
    expect(await lastUsed()).toEqual([START_MS]);
    clock.nowMs += 59_999;
    await keys.find(secret);
    expect(await lastUsed()).toEqual([START_MS]);
    clock.nowMs += 1;
    clock.nowMs += SECONDS_MS;
    await keys.find(secret);
    expect(await lastUsed()).toEqual([START_MS + 60_000 + SECONDS_MS]);
  });

  test("a key that was verified costs no query for moments, and not longer when the clock is set back", async () => {
    const { ada, clock, keys } = await setUp();
    const { id, secret } = await createKey(ada, { workspace: "default" });
    await keys.find(secret);
    await deleteKey(ada, id);

    clock.nowMs += 1_000;
    expect(await keys.find(secret)).toBeDefined();
    clock.nowMs -= 3_600_000;
    expect(await keys.find(secret)).toBeUndefined();
  });

  test("a store that fails is asked again", async () => {
    const { ada, keys } = await setUp();
    const { id, secret } = await createKey(ada, { workspace: "default" });
    await sql`alter table api_keys rename to away`.execute(ada.store);
    await expect(keys.find(secret)).rejects.toThrow();
    await expect(keys.hasAny()).rejects.toThrow();

    await sql`alter table away rename to api_keys`.execute(ada.store);

    expect(await keys.hasAny()).toBe(true);
    expect(await keys.find(secret)).toMatchObject({ id });
  });
});

test("a store that takes no notes of use still lets keys call", async () => {
  const store = await freshLibsql();
  const { id, secret } = await createKey({ store, actor: "ada", now: Date.now }, { workspace: "default" });
  await sql`pragma query_only = on`.execute(store);

  expect(await new StoredKeys(store, Date.now).find(secret)).toMatchObject({ id });
});
