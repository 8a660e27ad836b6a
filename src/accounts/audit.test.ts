import { describe, expect, test } from "vitest";
import { actions, administrations, START_MS } from "../../test/support/administrations.ts";
import { STORES } from "../../test/support/stores.ts";
import { listAuditRecords } from "./audit.ts";
import { createKey, disableKey, rotateKey } from "./keys.ts";
import { createWorkspace } from "./workspaces.ts";

describe.each(STORES)("accounts on %s", (_name, stores) => {
  const administration = administrations(stores());

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
