import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { crash, ledger, meterOn } from "../../test/support/accounting.ts";
import { STORES } from "../../test/support/stores.ts";
import type { Store, UsageRecordRow } from "../db/schema.ts";
import type { Administrator } from "./administration.ts";
import { createKey } from "./keys.ts";
import { changeLimits, listLimits } from "./limits.ts";
import type { Reservation } from "./meter.ts";
import { USAGE_GROUPS, type UsageGroup, usage } from "./usage.ts";
import { createWorkspace } from "./workspaces.ts";

/** 2026-09-21 at 14:13:50 UTC. */
const START_MS = 1_790_000_030_000;
const HOUR_MS = 3_600_000;

describe.each(STORES)("usage on %s", (_name, stores) => {
  const freshStore = stores();

  async function setUp(given?: Store) {
    const clock = { nowMs: START_MS };
    const now = () => clock.nowMs;
    const store = given ?? (await freshStore());
    const meter = await meterOn(store, now);
    let requests = 0;
    const reserve = (model: string, workspaceId: string, keyId?: string) =>
      meter.reserve({
        ...{ id: `request-${requests++}`, workspaceId, model, protocol: "chat", startedAtMs: clock.nowMs },
        ...{ promptTokens: 10, completionTokens: 100 },
        ...(keyId !== undefined && { keyId }),
      });
    const use = async (model: string, tokens: number, workspaceId = "default", keyId?: string) => {
      const request = await reserve(model, workspaceId, keyId);
      request.used({ promptTokens: tokens, completionTokens: 1, cachedPromptTokens: 1, source: "engine" });
      await request.settle("ok");
    };
    return { ada: { store, actor: "ada", now }, store, clock, now, meter, reserve, use };
  }

  test("is summed by model, key, day and workspace", async () => {
    const { ada, store, clock, use } = await setUp();
    const { id: team } = await createWorkspace(ada, "team");
    const { id: key } = await createKey(ada, { workspace: "team", label: "ci" });
    await use("a", 5);
    clock.nowMs += 24 * HOUR_MS;
    await use("b", 7, team, key);
    await use("a", 1, team, key);

    const sums = (by: UsageGroup) => usage(store, { by });

    expect(await sums("model")).toEqual([
      { of: "a", requests: 2, estimates: 0, promptTokens: 6, cachedPromptTokens: 2, completionTokens: 2 },
      { of: "b", requests: 1, estimates: 0, promptTokens: 7, cachedPromptTokens: 1, completionTokens: 1 },
    ]);
    expect(await sums("key")).toMatchObject([
      { of: key, name: "ci", requests: 2, promptTokens: 8 },
      { of: null, requests: 1, promptTokens: 5 },
    ]);
    expect(await sums("day")).toMatchObject([
      { of: "2026-09-21", estimates: 0, requests: 1 },
      { of: "2026-09-22", requests: 2, promptTokens: 8 },
    ]);
    expect(await sums("workspace")).toMatchObject([
      { of: team, name: "team", requests: 2 },
      { of: "default", name: "default", requests: 1 },
    ]);
    expect(await usage(store, { by: "model", workspace: "team" })).toMatchObject([{ of: "b" }, { of: "a" }]);
    await expect(usage(store, { by: "model", workspace: "nobody" })).rejects.toThrow("there is no workspace");
  });

  test("counts whole hours from that of the beginning to that of the end", async () => {
    const { store, clock, use } = await setUp();
    clock.nowMs = 10 * HOUR_MS;
    await use("a", 1);
    clock.nowMs = 11 * HOUR_MS - 1;
    await use("a", 2);
    clock.nowMs = 11 * HOUR_MS;
    await use("a", 4);

    const tokens = async (sinceMs?: number, untilMs?: number) => {
      const [sum] = await usage(store, {
        by: "model",
        ...(sinceMs !== undefined && { sinceMs }),
        ...(untilMs !== undefined && { untilMs }),
      });
      return sum?.promptTokens;
    };

    expect(await tokens()).toBe(7);
    expect(await tokens(10.5 * HOUR_MS)).toBe(7);
    expect(await tokens(11 * HOUR_MS)).toBe(4);
    expect(await tokens(undefined, 11 * HOUR_MS)).toBe(3);
    expect(await tokens(undefined, 11 * HOUR_MS + 1)).toBe(7);
    expect(await tokens(12 * HOUR_MS)).toBe(undefined);
  });

  test("equals the sums of the records, and limits hold what is running, whatever happens in whatever order", async () => {
    const store = await freshStore();
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        await empty(store);
        const { ada, clock, now, meter, reserve } = await setUp(store);
        await changeLimits(ada, "default", [
          { pattern: "a", set: { concurrentRequests: 1_000 } },
          { pattern: "*", set: { monthlyTokens: 1_000_000 } },
        ]);
        const node: Node = {
          reserve: (model, key) => reserve(model, "default", key === "" ? undefined : key),
          wait: (hours) => {
            clock.nowMs += hours * HOUR_MS;
          },
          checkpoint: () => meter.checkpoint(),
          crash: async () => {
            await crash(store);
            await (await meterOn(store, now)).lookAround();
          },
        };

        await play(steps, node);

        const records = await ledger(store);
        for (const by of USAGE_GROUPS) expect(await usage(store, { by })).toEqual(expectedSums(by, records));
        await expectLimitsToHold(ada, records);
      }),
      { numRuns: 25 },
    );
  }, 120_000);
});

interface Node {
  reserve(model: string, key: string): Promise<Reservation>;
  wait(hours: number): void;
  checkpoint(): Promise<void>;
  crash(): Promise<void>;
}

/** One step of a request, of the clock, or of a node. */
const step = fc.oneof(
  fc.record({ do: fc.constant("reserve" as const), model: fc.constantFrom("a", "b"), key: fc.constantFrom("k", "") }),
  fc.record({
    do: fc.constantFrom("accept" as const, "say" as const, "settle" as const, "cut" as const, "cancel" as const),
    which: fc.nat(7),
    tokens: fc.nat(9),
  }),
  fc.record({ do: fc.constant("wait" as const), hours: fc.constantFrom(0.1, 0.9) }),
  fc.record({ do: fc.constantFrom("checkpoint" as const, "crash" as const) }),
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** What can become of a request that is running; false: it is over. */
type Fate = (request: Reservation, tokens: number, isAccepted: boolean) => readonly [Promise<void>, boolean];

const FATES: Readonly<Record<"accept" | "say" | "settle" | "cut" | "cancel", Fate>> = {
  accept: (request, tokens, isAccepted) => [isAccepted ? Promise.resolve() : request.accepted(tokens), true],
  say: (request, tokens) => {
    request.produced(tokens);
    request.delivered();
    return [Promise.resolve(), true];
  },
  settle: (request, tokens) => {
    request.used({ promptTokens: 3, completionTokens: tokens, source: "engine" });
    return [request.settle("ok"), false];
  },
  cut: (request) => [request.settle("client_left"), false],
  cancel: (request, _tokens, isAccepted) => (isAccepted ? [Promise.resolve(), true] : [request.cancel(), false]),
};

/** Nothing is waited for but admissions and crashes, so that writes overlap. */
async function play(steps: readonly Step[], node: Node): Promise<void> {
  const running: Reservation[] = [];
  const accepted = new Set<Reservation>();
  const pending: Promise<void>[] = [];
  const meet = (which: number, fate: keyof typeof FATES, tokens: number): void => {
    const request = running[which];
    if (request === undefined) return;
    const [written, isRunning] = FATES[fate](request, tokens, accepted.has(request));
    pending.push(written);
    if (fate === "accept") accepted.add(request);
    if (!isRunning) running.splice(which, 1);
  };
  for (const each of steps) {
    if ("which" in each) meet(each.which, each.do, each.tokens);
    else if (each.do === "reserve") running.push(await node.reserve(each.model, each.key));
    else if (each.do === "wait") node.wait(each.hours);
    else if (each.do === "checkpoint") pending.push(node.checkpoint());
    else {
      await Promise.all(pending);
      pending.push(node.crash());
      running.length = 0;
    }
  }
  await Promise.all(pending);
  await node.checkpoint();
}

async function expectLimitsToHold(ada: Administrator, records: readonly UsageRecordRow[]): Promise<void> {
  const rows = await ada.store.selectFrom("reservations").selectAll().execute();
  const tokens = (row: Pick<UsageRecordRow, "prompt_tokens" | "completion_tokens">): number =>
    row.prompt_tokens + row.completion_tokens;
  const used = [...records, ...rows].reduce((sum, row) => sum + tokens(row), 0);
  const [everything, ofA] = await listLimits(ada);
  expect(everything).toMatchObject({ running: rows.length, tokensThisMonth: used });
  expect(ofA?.running).toBe(rows.filter(({ model }) => model === "a").length);
  const reserved = await ada.store
    .selectFrom("model_limits")
    .select("reserved_tokens")
    .where("pattern", "=", "*")
    .execute();
  expect(reserved).toEqual([{ reserved_tokens: rows.reduce((sum, row) => sum + row.reserved_tokens, 0) }]);
}

async function empty(store: Store): Promise<void> {
  const tables = ["usage_records", "usage_hours", "reservations", "model_limits", "limit_seconds", "nodes"] as const;
  for (const table of tables) await store.deleteFrom(table).execute();
}

/** The sums that a person would make of the records. */
function expectedSums(by: UsageGroup, records: readonly UsageRecordRow[]) {
  const groups = new Map<string | null, UsageRecordRow[]>();
  for (const record of records) {
    const of = {
      model: record.model,
      key: record.key_id,
      day: new Date(record.ended_at_ms).toISOString().slice(0, 10),
      workspace: record.workspace_id,
    }[by];
    groups.set(of, [...(groups.get(of) ?? []), record]);
  }
  const sum = (rows: readonly UsageRecordRow[], figure: (row: UsageRecordRow) => number | null): number =>
    rows.reduce((total, row) => total + (figure(row) ?? 0), 0);
  const tokens = (row: UsageRecordRow): number => row.prompt_tokens + row.completion_tokens;
  const text = (of: string | null): string => of ?? "";
  return [...groups]
    .sort(([a, rowsOfA], [b, rowsOfB]) => {
      const byTokens = by === "day" ? 0 : sum(rowsOfB, tokens) - sum(rowsOfA, tokens);
      return byTokens || text(a).localeCompare(text(b), "en");
    })
    .map(([of, rows]) => ({
      of,
      ...(by === "workspace" && { name: of }),
      requests: rows.length,
      estimates: sum(rows, (row) => row.is_estimate),
      promptTokens: sum(rows, (row) => row.prompt_tokens),
      cachedPromptTokens: sum(rows, (row) => row.cached_prompt_tokens),
      completionTokens: sum(rows, (row) => row.completion_tokens),
    }));
}
