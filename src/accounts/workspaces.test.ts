import { describe, expect, test } from "vitest";
import { actions, administrations, START_MS } from "../../test/support/administrations.ts";
import { STORES } from "../../test/support/stores.ts";
import { listAuditRecords } from "./audit.ts";
import { addGrants, listGrants } from "./grants.ts";
import { createKey, disableKey, listKeys } from "./keys.ts";
import { createWorkspace, deleteWorkspace, findWorkspace, listWorkspaces, renameWorkspace } from "./workspaces.ts";

describe.each(STORES)("accounts on %s", (_name, stores) => {
  const administration = administrations(stores());

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
});
