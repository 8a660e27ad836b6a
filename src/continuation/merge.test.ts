import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  AcceptingEngine,
  deltaPart,
  gate,
  type Script,
  ScriptedEngine,
  saying,
  startPart,
} from "../../test/support/scripted-engine.ts";
import { ServiceError } from "../errors.ts";
import { continueAll, sumUsage } from "./merge.ts";
import { collect, type StreamPart, type Usage } from "./output.ts";
import type { ContinuationRequest } from "./request.ts";

const never = new AbortController().signal;

function request(text: string, choices = 1): ContinuationRequest {
  return {
    model: "m",
    input: { kind: "text", parts: [{ text }] },
    sampling: {},
    limits: { stopStrings: [], stopSequences: [], maxInputTokens: 100, truncate: false },
    choices,
    promptLogprobs: false,
  };
}

function promptOf(asked: ContinuationRequest): string {
  const part = asked.input.kind === "text" ? asked.input.parts[0] : undefined;
  return part !== undefined && "text" in part ? part.text : "";
}

async function all(parts: AsyncIterable<StreamPart>): Promise<StreamPart[]> {
  const list: StreamPart[] = [];
  for await (const part of parts) list.push(part);
  return list;
}

test("one request is handed through as it is", async () => {
  const engine = new ScriptedEngine(() => saying(["a", "b"]));

  expect(await all(continueAll(engine, [request("x")], 4, never))).toEqual(saying(["a", "b"]));
});

test("merged choices keep why they ended, in the engine's word too", async () => {
  const finish = { type: "finish", choice: 0, reason: "content_filter", raw: "SAFETY" } as const;
  const engine = new ScriptedEngine(() => [startPart(), deltaPart("a"), finish]);

  const { choices } = await collect(continueAll(engine, [request("x"), request("y")], 2, never));

  expect(choices.map(({ reason, raw }) => [reason, raw])).toEqual(Array(2).fill(["content_filter", "SAFETY"]));
});

describe("what the answer promises", () => {
  const promising = (asked: ContinuationRequest): StreamPart => ({
    ...startPart(),
    guarantee: promptOf(asked) === "x" ? "exact" : "emulated",
  });

  test("is the least of what the prompts get", async () => {
    const engine = new AcceptingEngine((asked) => [promising(asked), deltaPart("a")]);

    const [start] = await all(continueAll(engine, [request("x"), request("y")], 1, never));

    expect(start).toMatchObject({ guarantee: "emulated" });
  });

  test("is said again when a later prompt gets less than was told, and only then", async () => {
    const engine = new ScriptedEngine((asked) => [promising(asked), deltaPart("a")]);
    const requests = ["x", "x", "y", "x"].map((text) => request(text));

    const parts = await all(continueAll(engine, requests, 1, never));

    const starts = parts.flatMap((part) => (part.type === "start" ? [part] : []));
    expect(starts.map(({ guarantee }) => guarantee)).toEqual(["exact", "emulated"]);
  });
});

describe("prompts whose tokens come last", () => {
  const { promptTokens: _, ...start } = startPart();

  test("are not summed at the start, not even partly", async () => {
    const engine = new AcceptingEngine((asked) => [promptOf(asked) === "x" ? start : startPart(), deltaPart("a")]);

    const [first] = await all(continueAll(engine, [request("x"), request("y")], 2, never));

    expect(first).toEqual({ type: "start", model: "scripted-weights", truncatedTokens: 0, ignored: [] });
  });

  test("are guessed when a request ends before it tells them", async () => {
    const engine = new ScriptedEngine(() => [start, deltaPart("a")]);

    const parts = await all(continueAll(engine, [request("abcdef"), request("abc")], 2, never));

    expect(parts.at(-1)).toEqual({
      type: "usage",
      usage: { promptTokens: 3, completionTokens: 2, source: "estimate" },
    });
  });
});

/** Per request: the texts of each of its choices. */
const answers = fc.integer({ min: 1, max: 3 }).chain((choices) =>
  fc.record({
    choices: fc.constant(choices),
    texts: fc.array(
      fc.array(fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 4 }), { minLength: choices, maxLength: choices }),
      { minLength: 2, maxLength: 6 },
    ),
    concurrency: fc.integer({ min: 1, max: 7 }),
    seed: fc.integer(),
  }),
);

/** Every choice's deltas and finish, choices interleaved in an order that depends on `seed`. */
function interleaved(texts: readonly (readonly string[])[], seed: number): StreamPart[] {
  const queues = texts.map((said, choice): StreamPart[] => [
    ...said.map((text) => deltaPart(text, choice)),
    { type: "finish", choice, reason: "stop" },
  ]);
  const parts: StreamPart[] = [startPart({ promptTokens: 2 })];
  for (let turn = Math.abs(seed); queues.some((queue) => queue.length > 0); turn++) {
    const part = queues[turn % queues.length]?.shift();
    if (part !== undefined) parts.push(part);
  }
  const completionTokens = texts.flat().length;
  parts.push({ type: "usage", usage: { promptTokens: 2, completionTokens, cachedPromptTokens: 1, source: "engine" } });
  return parts;
}

test("merged streams keep every choice's text, sum the usage and say start first and usage last", async () => {
  await fc.assert(
    fc.asyncProperty(answers, async ({ choices, texts, concurrency, seed }) => {
      const engine = new AcceptingEngine((asked) => interleaved(texts[Number(promptOf(asked))] ?? [], seed));
      const requests = texts.map((_, index) => request(String(index), choices));

      const parts = await all(continueAll(engine, requests, concurrency, never));

      const result = await collect(stream(parts));
      expect(result.choices.map(({ text }) => text)).toEqual(texts.flat().map((said) => said.join("")));
      expect(parts.map(({ type }) => type).filter((type) => type === "start" || type === "usage")).toEqual([
        "start",
        "usage",
      ]);
      expect(parts[0]).toMatchObject({ type: "start", promptTokens: 2 * texts.length });
      expect(parts.at(-1)).toMatchObject({
        usage: {
          promptTokens: 2 * texts.length,
          completionTokens: texts.flat(2).length,
          cachedPromptTokens: texts.length,
          source: "engine",
        },
      });
      expectFinishLast(parts);
    }),
  );
});

function expectFinishLast(parts: readonly StreamPart[]): void {
  const finished = new Set<number>();
  for (const part of parts) {
    if (part.type === "delta") expect(finished).not.toContain(part.choice);
    if (part.type === "finish") finished.add(part.choice);
  }
}

async function* stream(parts: readonly StreamPart[]): AsyncGenerator<StreamPart> {
  yield* parts;
}

test("no more requests than allowed are under way at the same time", async () => {
  let running = 0;
  let most = 0;
  const script: Script = function* () {
    most = Math.max(most, ++running);
    yield* saying(["a"]);
    running--;
  };
  const engine = new ScriptedEngine(script);

  await all(
    continueAll(
      engine,
      Array.from({ length: 9 }, () => request("x")),
      3,
      never,
    ),
  );

  expect(most).toBe(3);
});

const refusal = new ServiceError("invalid_parameter", "Range of input length should be [1, 100]");
const three = [request("0"), request("1"), request("2")];

test("a refusal of the last request is a refusal of the whole, before anything is computed", async () => {
  const engine = new AcceptingEngine((asked) => (promptOf(asked) === "2" ? [refusal] : saying(["a", "b"])));
  const parts = continueAll(engine, three, 2, never);

  await expect(parts.next()).rejects.toBe(refusal);
  expect(engine.calls).toEqual([]);
});

test("what an engine has accepted together is asked for as accepted, and otherwise unchanged", async () => {
  const engine = new AcceptingEngine(() => saying(["a"]));

  await all(continueAll(engine, three, 2, never));

  expect(engine.calls.map((call) => call.request)).toEqual(three.map((asked) => ({ ...asked, accepted: true })));
});

test("an engine that can only try says what it computed before it refused", async () => {
  const engine = new ScriptedEngine((asked) => (promptOf(asked) === "2" ? [refusal] : saying(["a", "b"])));
  const parts: StreamPart[] = [];

  const reading = (async () => {
    for await (const part of continueAll(engine, three, 1, never)) parts.push(part);
  })();

  await expect(reading).rejects.toBe(refusal);
  expect(parts.at(-1)).toEqual({ type: "usage", usage: { promptTokens: 6, completionTokens: 4, source: "engine" } });
});

test.each([
  ["can tell what it accepts", AcceptingEngine],
  ["can only try", ScriptedEngine],
])("the first text goes out while later requests have not begun, with an engine that %s", async (_what, Kind) => {
  const shut = gate();
  const engine = new Kind((asked) => [startPart(), deltaPart(promptOf(asked)), shut.opened, ...saying([]).slice(1)]);
  const parts = continueAll(engine, three, 1, never);

  expect((await parts.next()).value).toMatchObject({ type: "start" });
  expect((await parts.next()).value).toEqual(deltaPart("0"));
  expect(engine.calls).toHaveLength(1);
  shut.open();
  expect((await collect(stream([startPart(), ...(await all(parts))]))).choices.map(({ text }) => text)).toEqual([
    "",
    "1",
    "2",
  ]);
});

test("when one request fails, the others are aborted", async () => {
  const shut = gate();
  const engine = new ScriptedEngine((asked) =>
    promptOf(asked) === "0" ? [startPart(), shut.opened] : [startPart(), new Error("lost")],
  );

  await expect(all(continueAll(engine, [request("0"), request("1")], 2, never))).rejects.toThrow("lost");

  expect(engine.calls[0]?.signal.aborted).toBe(true);
  await engine.calls[0]?.ended;
});

test("leaving early aborts what is running and starts nothing more", async () => {
  const shut = gate();
  const engine = new ScriptedEngine(() => [startPart(), deltaPart("a"), shut.opened]);
  const parts = continueAll(engine, [request("0"), request("1"), request("2")], 3, never);
  await parts.next();

  await parts.return(undefined);

  expect(engine.calls.map(({ signal }) => signal.aborted)).toEqual([true, true, true]);
  await Promise.all(engine.calls.map(({ ended }) => ended));
});

test("a reader that stops reading stops the engine after one more part per request", async () => {
  const engine = new ScriptedEngine(() => saying(Array.from({ length: 100 }, () => "a")));
  const parts = continueAll(engine, [request("0"), request("1")], 2, never);
  for (let part = 0; part < 5; part++) await parts.next();
  await new Promise((resolve) => setImmediate(resolve));

  // Five read, and at most one waiting per request; the second start is part of the first one read.
  expect(engine.calls.reduce((sum, call) => sum + call.said(), 0)).toBeLessThanOrEqual(5 + 1 + 2);
});

test("cached tokens are reported only when every request knows them", () => {
  const known = { promptTokens: 4, completionTokens: 1, cachedPromptTokens: 2, source: "engine" } as const;
  const unknown = { promptTokens: 5, completionTokens: 2, source: "estimate" } as const;

  expect(sumUsage([known, known])).toEqual({
    promptTokens: 8,
    completionTokens: 2,
    cachedPromptTokens: 4,
    source: "engine",
  });
  expect(sumUsage([known, unknown])).toEqual({ promptTokens: 9, completionTokens: 3, source: "estimate" });
});

test("drafts are summed over the parts that made some", () => {
  const plain: Usage = { promptTokens: 1, completionTokens: 1, source: "engine" };
  const guessed: Usage = { ...plain, drafts: { proposed: 5, accepted: 2 } };

  expect(sumUsage([guessed, plain, guessed]).drafts).toEqual({ proposed: 10, accepted: 4 });
  expect(sumUsage([plain, plain])).not.toHaveProperty("drafts");
});
