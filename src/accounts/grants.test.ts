import { describe, expect, test } from "vitest";
import { actions, administrations, START_MS } from "../../test/support/administrations.ts";
import { STORES } from "../../test/support/stores.ts";
import { addGrants, listGrants, removeGrants } from "./grants.ts";
import { createWorkspace } from "./workspaces.ts";

describe.each(STORES)("accounts on %s", (_name, stores) => {
  const administration = administrations(stores());

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
});
