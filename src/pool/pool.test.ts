import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AWAY, byHeart, END, letters, NEVER, pool, promising, request } from "../../test/support/pooling.ts";
import {
  deltaPart,
  gate,
  type Script,
  type Step,
  saying,
  startPart,
  usagePart,
} from "../../test/support/scripted-engine.ts";
import { collect, type StreamPart } from "../continuation/output.ts";
import type { ContinuationRequest } from "../continuation/request.ts";
import { ServiceError } from "../errors.ts";
import type { Pool } from "./pool.ts";

const answer = (each: Pool, over: Partial<ContinuationRequest> = {}) => collect(each.generate(request(over), NEVER));
const textOf = async (each: Pool): Promise<string> => (await answer(each)).choices.map(({ text }) => text).join("|");

describe("before the first text", () => {
  test("a replica that is away is followed by another, which gets the request as it is", async () => {
    const { pool: both, engines, events } = pool([() => [AWAY], byHeart("upon")]);
    const asked = request({ choices: 1, callId: "c" });

    expect((await collect(both.generate(asked, NEVER))).choices[0]?.text).toBe("upon");
    expect(engines[1]?.calls[0]?.request).toEqual({ ...asked, attempt: "retry" });
    expect(events).toEqual([{ from: "r0", to: "r1", reason: "nobody answers", sentTokens: 0, callId: "c" }]);
    expect(both.poolStats()).toMatchObject({ retries: 1, resumes: 0 });
  });

  test("one start and one echo are said, and the prompt is charged once", async () => {
    const echo: StreamPart = { type: "echo", choice: 0, tokens: [] };
    const { pool: both } = pool([
      () => [startPart(), echo, usagePart(0), AWAY],
      () => [startPart(), echo, ...saying(["a"]).slice(1)],
    ]);
    const parts: StreamPart[] = [];
    for await (const part of both.generate(request(), NEVER)) parts.push(part);

    expect(parts.map(({ type }) => type)).toEqual(["start", "echo", "delta", "finish", "usage"]);
    expect(parts.at(-1)).toMatchObject({ usage: { promptTokens: 3, completionTokens: 1, source: "engine" } });
  });

  test("several choices begin anew too", async () => {
    const two = [
      startPart(),
      deltaPart("a"),
      deltaPart("b", 1),
      END,
      { ...(END as StreamPart), choice: 1 } as Step,
      usagePart(2),
    ];
    const { pool: both } = pool([() => [AWAY], () => two]);

    expect((await answer(both, { choices: 2 })).choices.map(({ text }) => text)).toEqual(["a", "b"]);
  });

  test.each(["queue_full", "unsupported_input", "request_timeout", "internal", "request_rate_exceeded"] as const)(
    "%s of one is no refusal of the pool",
    async (code) => {
      expect(await textOf(pool([() => [new ServiceError(code, "no")], byHeart("upon")]).pool)).toBe("upon");
    },
  );

  test("a request at fault is asked once", async () => {
    const { pool: both, engines } = pool([() => [new ServiceError("invalid_parameter", "too long")], byHeart("upon")]);

    await expect(answer(both)).rejects.toThrow("too long");
    expect(engines[1]?.calls).toEqual([]);
  });

  test("where all fail, the first one's reason is told, and each was asked once", async () => {
    const { pool: both, engines } = pool([() => [AWAY], () => [new ServiceError("queue_full", "full")]]);

    await expect(answer(both)).rejects.toBe(AWAY);
    expect(engines.map(({ calls }) => calls.length)).toEqual([1, 1]);
  });
});

describe("after the first text", () => {
  test("the answer goes on behind what was sent, with what is left of its limits", async () => {
    const { pool: both, engines, events } = pool([byHeart("upon a time", 4), byHeart("upon a time")]);
    const { choices, usage } = await answer(both);

    expect(choices[0]).toMatchObject({ text: "upon a time", reason: "stop" });
    expect(engines[1]?.calls[0]?.request).toMatchObject({
      input: { parts: [{ text: "Once" }, { text: "upon" }] },
      limits: { maxTokens: 6 },
      answered: { units: 4, tokens: [117, 112, 111, 110] },
    });
    expect(usage).toEqual({ promptTokens: 4, completionTokens: 11, source: "engine" });
    expect(events).toEqual([{ from: "r0", to: "r1", reason: "nobody answers", sentTokens: 4 }]);
    expect(both.poolStats()).toMatchObject({ retries: 0, resumes: 1 });
  });

  test("it may come back to the first, at most as often as is allowed", async () => {
    const hops = (maxResumes: number) =>
      pool([byHeart("upon a time", 3), byHeart("upon a time", 3)], { maxResumes }).pool;

    expect(await textOf(hops(3))).toBe("upon a time");
    await expect(textOf(hops(2))).rejects.toBe(AWAY);
  });

  test("without tokens the engine's own count is the one that is told, as an estimate", async () => {
    const silent: Script = () => [
      startPart(),
      { type: "delta", choice: 0, text: "up" },
      { ...usagePart(2), usage: { promptTokens: 3, completionTokens: 2, source: "estimate" } } as Step,
      AWAY,
    ];
    const { usage } = await answer(pool([silent, byHeart("upon")]).pool);

    expect(usage).toEqual({ promptTokens: 3, completionTokens: 4, source: "estimate" });
  });

  test.each<[string, Partial<ContinuationRequest>]>([
    ["several choices", { choices: 2 }],
    ["a grammar", { shape: { gbnf: "root ::= [a-z]+" } }],
  ])("%s cannot go on: the error is told, and what was said is charged", async (_, over) => {
    const broken: Script = () => [startPart(), ...letters("up"), usagePart(2), AWAY];
    const { pool: both, engines } = pool([broken, broken]);
    const parts: StreamPart[] = [];
    const reading = async (): Promise<void> => {
      for await (const part of both.generate(request(over), NEVER)) parts.push(part);
    };

    await expect(reading()).rejects.toBe(AWAY);
    expect(parts.at(-1)).toMatchObject({ usage: { promptTokens: 3, completionTokens: 2 } });
    expect(engines[1]?.calls).toEqual([]);
  });

  test("an answer with its end is whole, whatever becomes of its usage", async () => {
    const { pool: both, engines } = pool([() => [startPart(), ...letters("up"), END, AWAY], byHeart("upon")]);

    expect((await answer(both)).usage).toEqual({ promptTokens: 3, completionTokens: 2, source: "estimate" });
    expect(engines[1]?.calls).toEqual([]);
  });
});

test("who leaves is followed nowhere, and the replica is not blamed", async () => {
  const wait = gate();
  const { pool: both, engines } = pool([() => [startPart(), ...letters("u"), wait.opened], byHeart("upon")]);
  const leave = new AbortController();
  const reading = collect(both.generate(request(), leave.signal));
  const call = await engines[0]?.call();
  leave.abort(new Error("gone"));

  await expect(reading).rejects.toThrow("gone");
  await call?.ended;
  expect(engines[1]?.calls).toEqual([]);
  expect(both.stats().running).toBe(0);
  expect(both.poolStats().replicas.map(({ running, isUp }) => [running, isUp])).toEqual([
    [0, true],
    [0, true],
  ]);
});

test("replicas that are away are asked last, and one that failed three times in a row has a break", async () => {
  const { pool: both, engines } = pool([() => [AWAY], byHeart("upon")]);
  for (let each = 0; each < 5; each += 1) await textOf(both);
  expect(engines[0]?.calls.length).toBe(3);

  const other = pool([byHeart("upon"), byHeart("upon")]);
  other.engines[0]?.setHealth({ state: "failed", detail: "away" });
  await textOf(other.pool);
  expect(other.engines.map(({ calls }) => calls.length)).toEqual([0, 1]);
  expect(other.pool.health()).toEqual({ state: "ready", detail: "1 of 2 replicas; r0: away" });
});

test("the room of a pool is the smallest replica's, and what one knows is known", async () => {
  const { pool: both, engines } = pool([byHeart(""), byHeart("")]);
  const [first, second] = engines;
  if (first === undefined || second === undefined) throw new RangeError("two were made");
  first.model = async () => ({ id: "a", contextTokens: 100, chat: false, defaults: {} });
  second.model = async () => ({ id: "b", contextTokens: 50, fim: "qwen", chat: true, defaults: {} });
  expect(await both.model(NEVER)).toEqual({ id: "a", contextTokens: 50, fim: "qwen", chat: true, defaults: {} });

  first.setHealth({ state: "failed", detail: "away" });
  first.model = async () => Promise.reject(new Error("it is not to be asked"));
  expect(await both.model(NEVER)).toMatchObject({ id: "b", contextTokens: 50 });

  first.setHealth({ state: "ready", detail: "" });
  first.model = async () => Promise.reject(AWAY);
  expect(await both.model(NEVER)).toMatchObject({ id: "b" });
  second.model = async () => Promise.reject(new Error("broken"));
  await expect(both.model(NEVER)).rejects.toBe(AWAY);
});

test("however often it breaks off, an answer is the one that nobody disturbed, and is charged once", async () => {
  const whole = "upon a time there was";
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 8 }), { maxLength: 6 }), async (cuts) => {
      const left = [...cuts];
      const flaky: Script = (asked) => byHeart(whole, left.shift())(asked);
      const { pool: both } = pool([flaky, flaky], { maxResumes: 10, now: nextMinute() });
      const { choices, usage } = await answer(both);

      expect(choices[0]?.text).toBe(whole);
      expect(usage).toEqual({ promptTokens: 4, completionTokens: whole.length, source: "engine" });
    }),
    { examples: [[[3, 1, 1, 8]]] },
  );
});

/** So that no break lasts. */
function nextMinute(): () => number {
  let now = 0;
  return () => {
    now += 60_000;
    return now;
  };
}

describe("what the answer promised", () => {
  const broken = byHeart("upon a time", 4);
  const whole = byHeart("upon a time");

  test("a replica that keeps less does not go on with it, and another is asked", async () => {
    const { pool: three } = pool([promising("exact", broken), promising("emulated", whole), promising("exact", whole)]);

    const { start, choices } = await answer(three);

    expect(start.guarantee).toBe("exact");
    expect(choices[0]?.text).toBe("upon a time");
    expect(three.poolStats().replicas.map(({ isUp }) => isUp)).toEqual([true, true, true]);
  });

  test("where there is no other, the answer breaks off", async () => {
    const { pool: two } = pool([promising("exact", broken), promising("native", whole)], { maxResumes: 1 });
    const said: StreamPart[] = [];

    const ended = (async () => {
      for await (const part of two.generate(request(), NEVER)) said.push(part);
    })();

    await expect(ended).rejects.toThrow("weaker guarantee");
    expect(said.map((part) => (part.type === "delta" ? part.text : "")).join("")).toBe("upon");
  });

  test("one that keeps more does", async () => {
    const { pool: two } = pool([promising("native", broken), promising("exact", whole)]);

    const { start, choices } = await answer(two);

    expect([start.guarantee, choices[0]?.text]).toEqual(["native", "upon a time"]);
  });
});
