import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { administrations, START_MS } from "../../test/support/administrations.ts";
import { STORES } from "../../test/support/stores.ts";
import { createKey, deleteKey, disableKey, enableKey, listKeys, rotateKey } from "./keys.ts";
import { createWorkspace } from "./workspaces.ts";

const DAY_MS = 86_400_000;

describe.each(STORES)("accounts on %s", (_name, stores) => {
  const administration = administrations(stores());

  describe("keys", () => {
    test("are kept as a hash, and listed without what makes them valid", async () => {
      const ada = await administration();

      const { id, secret } = await createKey(ada, { workspace: "default", label: "editor" });

      expect(secret).toMatch(/^sk-[0-9a-f]{32}$/);
      const rows = await ada.store.selectFrom("api_keys").selectAll().execute();
      expect(rows.map(({ digest }) => digest)).toEqual([createHash("sha256").update(secret).digest("hex")]);
      expect(JSON.stringify(rows)).not.toContain(secret.slice(3, -4));
      expect(await listKeys(ada)).toEqual([
        {
          id,
          workspaceId: "default",
          workspace: "default",
          label: "editor",
          ending: secret.slice(-4),
          state: "active",
          createdAtMs: START_MS,
        },
      ]);
    });

    test("are disabled, enabled, deleted", async () => {
      const ada = await administration();
      const { id } = await createKey(ada, { workspace: "default" });
      const states = async () => (await listKeys(ada)).map(({ state }) => state);

      await disableKey(ada, id);
      expect(await states()).toEqual(["disabled"]);
      await enableKey(ada, id);
      expect(await states()).toEqual(["active"]);
      await deleteKey(ada, id);
      expect(await states()).toEqual([]);
      await expect(enableKey(ada, id)).rejects.toThrow("there is no key with the id");
    });

    test("expire", async () => {
      const ada = await administration();
      await createKey(ada, { workspace: "default", expiresAtMs: START_MS + DAY_MS });

      ada.clock.nowMs += DAY_MS - 1;
      expect(await listKeys(ada)).toMatchObject([{ state: "active" }]);
      ada.clock.nowMs += 1;
      expect(await listKeys(ada)).toMatchObject([{ state: "expired", expiresAtMs: START_MS + DAY_MS }]);
      await expect(createKey(ada, { workspace: "default", expiresAtMs: START_MS })).rejects.toThrow("in the future");
    });

    test("are rotated: the old one goes on for a while, the new one has its label and its length of life", async () => {
      const ada = await administration();
      const old = await createKey(ada, { workspace: "default", label: "ci", expiresAtMs: START_MS + 30 * DAY_MS });
      ada.clock.nowMs += 10 * DAY_MS;

      const fresh = await rotateKey(ada, old.id, DAY_MS);

      expect(fresh.secret).not.toBe(old.secret);
      expect(await listKeys(ada)).toMatchObject([
        { id: old.id, state: "active", label: "ci", expiresAtMs: START_MS + 11 * DAY_MS },
        { id: fresh.id, state: "active", label: "ci", expiresAtMs: START_MS + 40 * DAY_MS },
      ]);
    });

    test("do not live longer by being rotated", async () => {
      const ada = await administration();
      const { id } = await createKey(ada, { workspace: "default", expiresAtMs: START_MS + DAY_MS });

      await rotateKey(ada, id, 7 * DAY_MS);

      expect((await listKeys(ada)).find((key) => key.id === id)?.expiresAtMs).toBe(START_MS + DAY_MS);
    });

    test("that are not valid are not rotated", async () => {
      const ada = await administration();
      const { id } = await createKey(ada, { workspace: "default" });
      await disableKey(ada, id);

      await expect(rotateKey(ada, id, 0)).rejects.toThrow(`the key ${id} is disabled`);
      expect(await listKeys(ada)).toHaveLength(1);
    });

    test("are at most 20 in a workspace, also when they are asked for at the same time", async () => {
      const ada = await administration();
      await createWorkspace(ada, "other");

      const asked = await Promise.allSettled(
        Array.from({ length: 24 }, () => createKey(ada, { workspace: "default" })),
      );

      expect(asked.filter(({ status }) => status === "fulfilled")).toHaveLength(20);
      expect(asked.find(({ status }) => status === "rejected")).toMatchObject({
        reason: { message: expect.stringContaining("at most 20 keys") },
      });
      await expect(createKey(ada, { workspace: "other" })).resolves.toBeDefined();
      const [first] = await listKeys(ada, "default");
      await rotateKey(ada, first?.id ?? "", 0);
      await expect(createKey(ada, { workspace: "default" })).rejects.toThrow("at most 20 keys");
      await deleteKey(ada, first?.id ?? "");
      await expect(createKey(ada, { workspace: "default" })).rejects.toThrow("at most 20 keys");
    });

    test("are named by their id; one that stands in its place is not repeated", async () => {
      const ada = await administration();
      const { secret } = await createKey(ada, { workspace: "default" });

      const deleting = deleteKey(ada, secret);

      await expect(deleting).rejects.toThrow("expected the id of a key");
      await expect(deleting).rejects.not.toThrow(secret);
      await expect(createKey(ada, { workspace: "default", label: secret })).rejects.toThrow("that is no key");
    });
  });
});
