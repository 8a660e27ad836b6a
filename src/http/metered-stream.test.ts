import fc from "fast-check";
import { expect, test } from "vitest";
import { CountingEngine, type Plan } from "../../test/support/counting-engine.ts";
import type { Ending } from "../accounts/reservations.ts";
import { RunningRequest } from "../accounts/running-request.ts";
import { continueAll } from "../continuation/merge.ts";
import type { ContinuationRequest } from "../continuation/request.ts";
import { Cut, untilAborted } from "./call.ts";
import { MeteredStream } from "./metering.ts";

function request(index: number, choices: number): ContinuationRequest {
  return {
    model: "m",
    input: { kind: "tokens", tokens: [index] },
    sampling: {},
    limits: { stopStrings: [], stopSequences: [], maxInputTokens: 100, truncate: false },
    choices,
    promptLogprobs: false,
  };
}

function indexOf({ input }: ContinuationRequest): number {
  return input.kind === "tokens" ? (input.tokens[0] ?? -1) : -1;
}

const plan: fc.Arbitrary<Plan> = fc.record({
  promptTokens: fc.integer({ min: 1, max: 5 }),
  tokens: fc.nat(6),
  burst: fc.integer({ min: 1, max: 4 }),
  ending: fc.constantFrom("stops", "stops", "fails", "is refused"),
});

const called = fc.record({
  plans: fc.array(plan, { minLength: 1, maxLength: 5 }),
  choices: fc.integer({ min: 1, max: 3 }),
  concurrency: fc.integer({ min: 1, max: 4 }),
  canTell: fc.boolean(),
  /** The reader leaves after so many parts, or it is told to by an abort. */
  leaves: fc.record({ after: fc.nat(20), by: fc.constantFrom("abort", "itself", "no") }),
});

/** An account of one request that tells how it ended. */
function account(): { reservation: RunningRequest; recorded: Ending[] } {
  const recorded: Ending[] = [];
  const keeper = {
    write: async () => undefined,
    record: async (_request: RunningRequest, ending: Ending) => void recorded.push(ending),
    forget: async () => undefined,
    now: () => 0,
  };
  const admission = { id: "r", workspaceId: "w", model: "m", protocol: "chat", startedAtMs: 0 };
  const reservation = new RunningRequest({ ...admission, promptTokens: 1, completionTokens: 1 }, [], keeper);
  return { reservation, recorded };
}

test("what is charged is what was computed, however a call ends", async () => {
  await fc.assert(
    fc.asyncProperty(called, async ({ plans, choices, concurrency, canTell, leaves }) => {
      const unplanned = plans[0] as Plan; // at least one is generated
      const engine = new CountingEngine((asked) => plans[indexOf(asked)] ?? unplanned, canTell);
      const requests = plans.map((_, index) => request(index, choices));
      const { reservation, recorded } = account();
      const call = new AbortController();
      const said = (signal: AbortSignal) => continueAll(engine, requests, concurrency, signal);
      const stream = new MeteredStream(said, call.signal, reservation);

      let parts = 0;
      const reading = (async () => {
        for await (const _ of untilAborted(stream.parts(), call.signal)) {
          parts += 1;
          if (parts <= leaves.after || leaves.by === "no") continue;
          if (leaves.by === "itself") return;
          call.abort(new Cut("client_left"));
        }
      })();
      await reading.catch(() => undefined); // how a call fails is no matter of its account
      await stream.ended(10_000);
      await reservation.settle("over");

      const { promptTokens, completionTokens } = engine.computed;
      expect(recorded).toMatchObject([{ promptTokens, completionTokens }]);
      expect(stream.hasCost).toBe(promptTokens > 0);
    }),
    { numRuns: 300 },
  );
});

test("a refusal that can be foreseen costs nothing, whichever request it is about", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(4), fc.integer({ min: 1, max: 4 }), async (refused, concurrency) => {
      const planOf = (asked: ContinuationRequest): Plan => ({
        ...{ promptTokens: 3, tokens: 5, burst: 1 },
        ending: indexOf(asked) === refused ? "is refused" : "stops",
      });
      const engine = new CountingEngine(planOf, true);
      const requests = Array.from({ length: 5 }, (_, index) => request(index, 1));

      const parts = continueAll(engine, requests, concurrency, new AbortController().signal);

      await expect(parts.next()).rejects.toThrow("Range of input length");
      expect(engine.computed).toEqual({ promptTokens: 0, completionTokens: 0 });
    }),
    { numRuns: 30 },
  );
});

test("an engine that does not notice an abort is not waited for", async () => {
  const { reservation } = account();
  const call = new AbortController();
  const deaf = async function* () {
    yield await new Promise<never>(() => undefined);
  };
  const stream = new MeteredStream(deaf, call.signal, reservation);
  const reading = untilAborted(stream.parts(), call.signal).next();
  call.abort(new Cut("client_left"));

  await expect(reading).rejects.toThrow("client_left");
  await stream.ended(1);
});
