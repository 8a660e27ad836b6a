import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { STORES } from "../../test/support/stores.ts";
import type { Administrator } from "./administration.ts";
import { listAuditRecords } from "./audit.ts";
import { addGrants, listGrants, removeGrants } from "./grants.ts";
import { createKey, deleteKey, disableKey, enableKey, listKeys, rotateKey } from "./keys.ts";
import { createWorkspace, deleteWorkspace, findWorkspace, listWorkspaces, renameWorkspace } from "./workspaces.ts";

const START_MS = 1_790_000_000_000;
const DAY_MS = 86_400_000;

describe.each(STORES)("accounts on %s", (_name, stores) => {
  const freshStore = stores();

  /** An administrator of a new store, whose clock stands still until it is set. */
  async function administration(): Promise<Administrator & { clock: { nowMs: number } }> {
    const clock = { nowMs: START_MS };
    return { store: await freshStore(), actor: "ada", now: () => clock.nowMs, clock };
  }

  const actions = async ({ store }: Administrator) => {
    const records = await listAuditRecords(store, 100);
    return records.map(({ action }) => action).sort();
  };

  describe("workspaces", () => {
    test("are found by name and by id", async () => {
      const ada = await administration();

      const { id } = await createWorkspace(ada, "team one");

      expect(id).toMatch(/^ws_[a-z2-7]{16}$/);
      expect(await findWorkspace(ada.store, "team one")).toEqual({ id, name: "team one", createdAtMs: START_MS });
      expect(await findWorkspace(ada.store, id)).toMatchObject({ name: "team one" });
      expect((await listWorkspaces(ada.store)).map(({ name }) => name)).toEqual(["default", "team one"]);
      await expect(findWorkspace(ada.store, "team")).rejects.toThrow('there is no workspace "team"');
    });

    test("have names of their own", async () => {
      const ada = await administration();
      await createWorkspace(ada, "team");

      await expect(createWorkspace(ada, "team")).rejects.toThrow('there is a workspace named "team" already');
      await expect(createWorkspace(ada, "default")).rejects.toThrow("already");
      expect(await actions(ada)).toEqual(["workspaces.create"]);
    });

    test.each(["", " a", "a ", "a\nb", "ws_a", "x".repeat(31)])("are not named %j", async (name) => {
      await expect(createWorkspace(await administration(), name)).rejects.toMatchObject({ kind: "usage" });
    });

    test("may have names of 30 characters, whatever their bytes", async () => {
      await expect(createWorkspace(await administration(), "队".repeat(30))).resolves.toBeDefined();
    });
  });

  describe("workspaces that change", () => {
    test("keep their id, keys and grants under a new name", async () => {
      const ada = await administration();
      const { id } = await createWorkspace(ada, "team");
      await addGrants(ada, "team", ["m"]);
      await createKey(ada, { workspace: "team" });

      expect(await renameWorkspace(ada, "team", "crew")).toEqual({ id, name: "crew", createdAtMs: START_MS });
      await renameWorkspace(ada, id, "crew");

      expect(await listKeys(ada, "crew")).toMatchObject([{ workspaceId: id, workspace: "crew" }]);
      expect(await listGrants(ada.store)).toMatchObject([{ workspaceId: id, workspace: "crew" }]);
      await expect(findWorkspace(ada.store, "team")).rejects.toMatchObject({ kind: "missing" });
      expect((await actions(ada)).filter((action) => action === "workspaces.rename")).toHaveLength(1);
    });

    test("take no name that another one has", async () => {
      const ada = await administration();
      await createWorkspace(ada, "team");
      await createWorkspace(ada, "crew");

      await expect(renameWorkspace(ada, "crew", "team")).rejects.toMatchObject({ kind: "failed", field: "name" });
      await expect(renameWorkspace(ada, "crew", "")).rejects.toMatchObject({ kind: "usage", field: "name" });
      expect((await listWorkspaces(ada.store)).map(({ name }) => name)).toEqual(["crew", "default", "team"]);
    });

    test("are deleted with their grants, and with their keys only when that is asked for", async () => {
      const ada = await administration();
      const { id } = await createWorkspace(ada, "team");
      await addGrants(ada, "team", ["m"]);
      const key = await createKey(ada, { workspace: "team" });
      await disableKey(ada, key.id);

      await expect(deleteWorkspace(ada, "team", { withKeys: false })).rejects.toThrow("still has 1 key(s)");
      expect(await listKeys(ada, "team")).toHaveLength(1);
      expect(await deleteWorkspace(ada, "team", { withKeys: true })).toEqual({ id, deletedKeys: 1 });

      expect(await listKeys(ada)).toEqual([]);
      expect(await listGrants(ada.store)).toEqual([]);
      expect((await listWorkspaces(ada.store)).map(({ name }) => name)).toEqual(["default"]);
      for (const named of ["team", id]) {
        await expect(createKey(ada, { workspace: named })).rejects.toMatchObject({ kind: "missing" });
      }
      const records = await listAuditRecords(ada.store, 100);
      expect(records.find(({ action }) => action === "keys.delete")).toMatchObject({ subject: key.id });
      expect(records.find(({ action }) => action === "workspaces.delete")).toMatchObject({ detail: { name: "team" } });
    });

    test("leave their name to others when they are deleted", async () => {
      const ada = await administration();
      const { id } = await createWorkspace(ada, "team");
      await deleteWorkspace(ada, id, { withKeys: false });

      const again = await createWorkspace(ada, "team");

      expect(again.id).not.toBe(id);
      await expect(deleteWorkspace(ada, id, { withKeys: true })).rejects.toMatchObject({ kind: "missing" });
    });

    test("are not the default one", async () => {
      const ada = await administration();

      await expect(renameWorkspace(ada, "default", "main")).rejects.toMatchObject({ kind: "failed" });
      await expect(deleteWorkspace(ada, "default", { withKeys: true })).rejects.toMatchObject({ kind: "failed" });
      expect(await actions(ada)).toEqual([]);
    });

    test("lose no key to a deletion at the same time: one of both is refused", async () => {
      const ada = await administration();
      await createWorkspace(ada, "team");

      const both = await Promise.allSettled([
        createKey(ada, { workspace: "team" }),
        deleteWorkspace(ada, "team", { withKeys: false }),
      ]);

      expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    });
  });

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

  describe("grants", () => {
    test("are added once, listed, and removed", async () => {
      const ada = await administration();
      const { id } = await createWorkspace(ada, "team");

      await addGrants(ada, "team", ["qwen-plus", "qwen2.5-coder-*"]);
      await addGrants(ada, id, ["qwen-plus"]);
      await removeGrants(ada, "team", ["qwen2.5-coder-*"]);

      expect(await listGrants(ada.store, "team")).toEqual([
        { workspaceId: id, workspace: "team", pattern: "qwen-plus", createdAtMs: START_MS },
      ]);
      expect(await actions(ada)).toEqual(["grants.add", "grants.add", "grants.remove", "workspaces.create"]);
    });

    test("are added and removed all or none", async () => {
      const ada = await administration();
      await createWorkspace(ada, "team");
      await addGrants(ada, "team", ["a", "b"]);

      await expect(removeGrants(ada, "team", ["a", "c"])).rejects.toThrow('"c" is not granted to team');
      await expect(addGrants(ada, "team", ["d", "e f"])).rejects.toMatchObject({ kind: "usage" });

      expect((await listGrants(ada.store)).map(({ pattern }) => pattern)).toEqual(["a", "b"]);
      expect(await actions(ada)).toEqual(["grants.add", "grants.add", "workspaces.create"]);
    });

    test("are not for the default workspace", async () => {
      await expect(addGrants(await administration(), "default", ["a"])).rejects.toThrow("may call every model");
    });
  });

  test("every change leaves a record that names who, what and when, and no key", async () => {
    const ada = await administration();
    const { id: workspaceId } = await createWorkspace(ada, "team");
    const { id, secret } = await createKey(ada, { workspace: "team", label: "ci" });
    const fresh = await rotateKey(ada, id, 0);
    ada.clock.nowMs += 1;
    await disableKey(ada, fresh.id);
    await disableKey(ada, fresh.id);

    const records = await listAuditRecords(ada.store, 100);

    expect(records[0]).toEqual({
      atMs: START_MS + 1,
      actor: "ada",
      action: "keys.disable",
      workspaceId,
      subject: fresh.id,
      detail: {},
    });
    expect(await actions(ada)).toEqual(["keys.create", "keys.disable", "keys.rotate", "workspaces.create"]);
    expect(JSON.stringify(records)).not.toContain(secret);
    expect(JSON.stringify(records)).not.toContain(fresh.secret);
    expect(await listAuditRecords(ada.store, 1)).toHaveLength(1);
  });
});
