import { describe, expect, test } from "vitest";
import { AWAY, byHeart, END, letters, NEVER, pool, promising, request } from "../../test/support/pooling.ts";
import { type Gate, gate, type Script, startPart, usagePart } from "../../test/support/scripted-engine.ts";
import { collect } from "../continuation/output.ts";
import type { ContinuationRequest } from "../continuation/request.ts";
import { ServiceError } from "../errors.ts";
import type { PoolOptions } from "./pool.ts";

const HEDGE = { after: { ms: 300 }, share: 1 } as const;

/** Says nothing but its start until the gate opens. */
function silent(wait: Gate, whole: string): Script {
  return () => [
    startPart({ promptTokens: 7 }),
    wait.opened,
    ...letters(whole),
    END,
    usagePart(whole.length, { promptTokens: 7 }),
  ];
}

function hedged(scripts: readonly Script[], over: Partial<PoolOptions> = {}) {
  const delays: number[] = [];
  const elapse: (() => void)[] = [];
  let cancelled = 0;
  const after = (ms: number, callback: () => void): (() => void) => {
    delays.push(ms);
    elapse.push(callback);
    return () => {
      cancelled += 1;
    };
  };
  const made = pool(scripts, { hedge: HEDGE, after, ...over });
  const ask = (asked: Partial<ContinuationRequest> = {}, signal = NEVER) =>
    collect(made.pool.generate(request({ interactive: true, ...asked }), signal));
  return { ...made, ask, delays, elapse: () => elapse.at(-1)?.(), cancelled: () => cancelled };
}

const counts = ({ pool: each }: ReturnType<typeof hedged>) => {
  const { hedges, hedgeWins, replicas } = each.poolStats();
  return [hedges, hedgeWins, replicas.map(({ running }) => running)];
};

describe("a replica that is silent for too long", () => {
  test("is outrun by a second one that gets the same request, is stopped at once, and costs nothing", async () => {
    const cached = usagePart(4, { cachedPromptTokens: 2 });
    const made = hedged([silent(gate(), "late"), () => [startPart(), ...letters("upon"), END, cached]]);
    const asking = made.ask();
    const slow = await made.engines[0]?.call();
    made.elapse();
    const { choices, usage, start } = await asking;

    expect([choices[0]?.text, start.promptTokens]).toEqual(["upon", 7]);
    expect(usage).toEqual({ promptTokens: 3, completionTokens: 4, cachedPromptTokens: 2, source: "engine" });
    expect(made.engines[1]?.calls[0]?.request).toEqual({ ...slow?.request, attempt: "hedge" });
    expect(slow?.signal.aborted).toBe(true);
    await slow?.ended;
    expect(made.delays).toEqual([300]);
    expect(counts(made)).toEqual([1, 1, [0, 0]]);
    expect(made.events).toEqual([]);
  });

  test("is stopped with the other's first text, not with its last", async () => {
    const wait = gate();
    const made = hedged([
      silent(gate(), "late"),
      () => [startPart(), ...letters("up"), wait.opened, ...letters("on"), END],
    ]);
    const asking = made.ask();
    const slow = await made.engines[0]?.call();
    made.elapse();
    await slow?.ended;
    wait.open();

    expect((await asking).choices[0]?.text).toBe("upon");
  });

  test("may still be the first to send text: then the second one is stopped", async () => {
    const wait = gate();
    const made = hedged([silent(wait, "upon"), silent(gate(), "never")]);
    const asking = made.ask();
    await made.engines[0]?.call();
    made.elapse();
    const second = await made.engines[1]?.call();
    wait.open();

    expect((await asking).choices[0]?.text).toBe("upon");
    await second?.ended;
    expect(second?.signal.aborted).toBe(true);
    expect(counts(made)).toEqual([1, 0, [0, 0]]);
  });

  test.each<[string, (wait: Gate) => Script]>([
    ["has begun", (wait) => promising("exact", silent(wait, "upon"))],
    [
      "is late with all",
      (wait) => promising("exact", () => [wait.opened, startPart(), ...letters("upon"), END, usagePart(4)]),
    ],
  ])("that is asked by instruction does not outrun one that %s", async (_, first) => {
    const wait = gate();
    const made = hedged([first(wait), promising("emulated", silent(gate(), "never"))]);
    const asking = made.ask();
    await made.engines[0]?.call();
    made.elapse();
    const second = await made.engines[1]?.call();
    wait.open();

    expect((await asking).choices[0]?.text).toBe("upon");
    await second?.ended;
    expect(counts(made)).toEqual([1, 0, [0, 0]]);
  });

  test("that keeps more than a second one with text is waited for", async () => {
    const wait = gate();
    const made = hedged([promising("exact", silent(wait, "upon")), promising("emulated", byHeart("never"))]);
    const asking = made.ask();
    await made.engines[0]?.call();
    made.elapse();
    await (await made.engines[1]?.call())?.ended;
    wait.open();
    const { start, choices } = await asking;

    expect([start.guarantee, choices[0]?.text]).toEqual(["exact", "upon"]);
    expect(counts(made)).toEqual([1, 0, [0, 0]]);
  });

  test("that then fails leaves the second one to answer", async () => {
    const wait = gate();
    const other = gate();
    const made = hedged([() => [wait.opened, AWAY], silent(other, "upon")]);
    const asking = made.ask({ callId: "c" });
    await made.engines[0]?.call();
    made.elapse();
    await made.engines[1]?.call();
    wait.open();
    await made.engines[0]?.calls[0]?.ended;
    other.open();

    expect((await asking).choices[0]?.text).toBe("upon");
    expect(made.engines.map(({ calls }) => calls.length)).toEqual([1, 1]);
    expect(counts(made)).toEqual([1, 1, [0, 0]]);
    expect(made.events).toEqual([{ from: "r0", to: "r1", reason: "nobody answers", sentTokens: 0, callId: "c" }]);
  });

  test("together with a second one that fails too is followed by a third", async () => {
    const wait = gate();
    const made = hedged([() => [wait.opened, AWAY], () => [AWAY], byHeart("upon")]);
    const asking = made.ask();
    await made.engines[0]?.call();
    made.elapse();
    await (await made.engines[1]?.call())?.ended;
    wait.open();

    expect((await asking).choices[0]?.text).toBe("upon");
    expect(made.engines.map(({ calls }) => calls.length)).toEqual([1, 1, 1]);
  });

  test("whose text then breaks off is followed by another, as any other", async () => {
    const once = [silent(gate(), "late")];
    const slow: Script = (asked) => (once.pop() ?? byHeart("upon a time"))(asked);
    const made = hedged([slow, byHeart("upon a time", 4)]);
    const asking = made.ask();
    await made.engines[0]?.call();
    made.elapse();

    expect((await asking).choices[0]?.text).toBe("upon a time");
    expect((await asking).usage).toMatchObject({ promptTokens: 4, completionTokens: 11 });
  });
});

test("a replica that hangs is left alone after it was outrun three times in a row", async () => {
  const made = hedged([silent(gate(), "late"), byHeart("upon")]);
  for (let each = 0; each < 4; each += 1) {
    const asking = made.ask();
    await made.engines[0]?.call(Math.min(each, 2));
    made.elapse();
    await asking;
  }

  expect(made.engines.map(({ calls }) => calls.length)).toEqual([3, 4]);
  expect(made.pool.poolStats().replicas.map(({ isBroken }) => isBroken)).toEqual([true, false]);
});

test("a replica that answers now and then is slow, and no more", async () => {
  let asked = 0;
  const moody: Script = (request) => (asked++ % 3 === 2 ? byHeart("upon") : silent(gate(), "late"))(request);
  const made = hedged([moody, byHeart("upon")]);
  for (let each = 0; each < 9; each += 1) {
    const asking = made.ask();
    await made.engines[0]?.call(each);
    made.elapse();
    await asking;
  }

  expect(made.pool.poolStats().replicas.map(({ isBroken }) => isBroken)).toEqual([false, false]);
});

describe("no second replica is asked", () => {
  test("when the text comes in time", async () => {
    const made = hedged([byHeart("upon"), byHeart("upon")]);

    expect((await made.ask()).choices[0]?.text).toBe("upon");
    expect(made.cancelled()).toBeGreaterThan(0);
    expect(made.engines[1]?.calls).toEqual([]);
  });

  test.each<[string, Partial<ContinuationRequest>]>([
    ["for one of several prompts, or for several choices", { interactive: false }],
  ])("%s", async (_, over) => {
    const made = hedged([byHeart("upon"), byHeart("upon")]);

    await made.ask(over);

    expect(made.delays).toEqual([]);
  });

  test("when none is there", async () => {
    const wait = gate();
    const made = hedged([silent(wait, "upon"), byHeart("other")]);
    made.engines[1]?.setHealth({ state: "failed", detail: "away" });
    const asking = made.ask();
    await made.engines[0]?.call();
    made.elapse();
    wait.open();

    expect((await asking).choices[0]?.text).toBe("upon");
    expect(counts(made)).toEqual([0, 0, [0, 0]]);
  });

  test("when the request is at fault: its error is told at once", async () => {
    const wait = gate();
    const made = hedged([() => [wait.opened, new ServiceError("invalid_parameter", "too long")], silent(gate(), "x")]);
    const asking = made.ask();
    await made.engines[0]?.call();
    made.elapse();
    const second = await made.engines[1]?.call();
    wait.open();

    await expect(asking).rejects.toThrow("too long");
    await second?.ended;
    expect(counts(made)).toEqual([1, 0, [0, 0]]);
  });
});

test("who leaves stops both", async () => {
  const made = hedged([silent(gate(), "a"), silent(gate(), "b")]);
  const leave = new AbortController();
  const asking = made.ask({}, leave.signal);
  await made.engines[0]?.call();
  made.elapse();
  await made.engines[1]?.call();
  leave.abort(new Error("gone"));

  await expect(asking).rejects.toThrow("gone");
  await Promise.all(made.engines.map(({ calls }) => calls[0]?.ended));
  expect(counts(made)).toEqual([1, 0, [0, 0]]);
  expect(made.pool.poolStats().replicas.map(({ isUp }) => isUp)).toEqual([true, true]);
});
