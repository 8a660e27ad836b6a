import { describe, expect, test } from "vitest";
import { STORES } from "../../test/support/stores.ts";
import type { Administrator } from "./administration.ts";
import { listAuditRecords } from "./audit.ts";
import { changeLimits, type LimitChange, listLimits } from "./limits.ts";
import { createWorkspace, deleteWorkspace } from "./workspaces.ts";

/** 2026-09-21, the middle of a minute. */
const START_MS = 1_790_000_030_000;

describe.each(STORES)("limits on %s", (_name, stores) => {
  const freshStore = stores();

  async function administration(): Promise<Administrator> {
    return { store: await freshStore(), actor: "ada", now: () => START_MS };
  }

  test("are set, changed in part, listed and removed, each with a record", async () => {
    const ada = await administration();
    const { id: workspaceId } = await createWorkspace(ada, "team");

    await changeLimits(ada, "team", [
      { pattern: "qwen-*", set: { requestsPerMinute: 60, tokensPerMinute: 10_000 } },
      { pattern: "*", set: { monthlyTokens: 1_000_000, concurrentRequests: 4, smoothed: true } },
    ]);
    await changeLimits(ada, workspaceId, [{ pattern: "qwen-*", set: { tokensPerMinute: null } }]);

    expect(await listLimits(ada, "team")).toEqual([
      {
        id: expect.stringMatching(/^lim_[a-z2-7]{16}$/),
        workspaceId,
        workspace: "team",
        pattern: "*",
        requestsPerMinute: null,
        tokensPerMinute: null,
        concurrentRequests: 4,
        monthlyTokens: 1_000_000,
        smoothed: true,
        createdAtMs: START_MS,
        changedAtMs: START_MS,
        running: 0,
        tokensThisMonth: 0,
      },
      expect.objectContaining({ pattern: "qwen-*", requestsPerMinute: 60, tokensPerMinute: null, smoothed: false }),
    ]);
    expect(await listLimits(ada, "default")).toEqual([]);

    await changeLimits(ada, "team", [{ pattern: "*", remove: true }]);

    expect((await listLimits(ada)).map(({ pattern }) => pattern)).toEqual(["qwen-*"]);
    const records = await listAuditRecords(ada.store, 100);
    expect(records.map(({ action, subject }) => `${action} ${subject}`).sort()).toEqual([
      "limits.remove *",
      "limits.set *",
      "limits.set qwen-*",
      "limits.set qwen-*",
      expect.stringMatching(/^workspaces.create /),
    ]);
  });

  test.each<[string, LimitChange, kind?: string]>([
    ["a figure of nought", { pattern: "b", set: { requestsPerMinute: 0 } }],
    ["a fraction", { pattern: "b", set: { tokensPerMinute: 1.5 } }],
    ["no number", { pattern: "b", set: { concurrentRequests: Number.NaN } }],
    ["too much", { pattern: "b", set: { monthlyTokens: 1_000_000_000_001 } }],
    ["a blank in the pattern", { pattern: "b c", set: { requestsPerMinute: 1 } }],
    ["a limit of nothing", { pattern: "b", set: { smoothed: true } }],
    ["the removal of what is not there", { pattern: "b", remove: true }, "missing"],
  ])("%s is refused, and with it every other change of the call", async (_what, wrong, kind = "usage") => {
    const ada = await administration();

    const changing = changeLimits(ada, "default", [{ pattern: "a", set: { requestsPerMinute: 1 } }, wrong]);

    await expect(changing).rejects.toMatchObject({ name: "AccountFailure", kind });
    expect(await listLimits(ada)).toEqual([]);
    expect(await listAuditRecords(ada.store, 100)).toEqual([]);
  });

  test("go with their workspace, and all that was counted for them", async () => {
    const ada = await administration();
    await createWorkspace(ada, "team");
    await changeLimits(ada, "team", [{ pattern: "*", set: { requestsPerMinute: 1 } }]);
    await changeLimits(ada, "default", [{ pattern: "*", set: { requestsPerMinute: 1 } }]);
    const ids = (await listLimits(ada)).map(({ id, workspace }) => ({ id, workspace }));
    const counts = ids.map(({ id }) => ({ limit_id: id, second: START_MS / 1000, requests: 1, tokens: 1 }));
    await ada.store.insertInto("limit_seconds").values(counts).execute();

    await deleteWorkspace(ada, "team", { withKeys: false });

    const kept = ids.filter(({ workspace }) => workspace === "default").map(({ id }) => ({ id }));
    expect(await ada.store.selectFrom("model_limits").select("id").execute()).toEqual(kept);
    expect(await ada.store.selectFrom("limit_seconds").select("limit_id as id").execute()).toEqual(kept);
  });

  test("of a workspace that is not there are refused", async () => {
    const ada = await administration();

    await expect(changeLimits(ada, "nobody", [])).rejects.toThrow('there is no workspace "nobody"');
    await expect(listLimits(ada, "nobody")).rejects.toThrow('there is no workspace "nobody"');
  });
});
