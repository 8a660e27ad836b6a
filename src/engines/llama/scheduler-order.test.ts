import { describe, expect, test } from "vitest";
import { scheduling } from "../../../test/support/scheduling.ts";
import { loadNativeTiny, type TinyRequest, type TinyScheduler } from "../../../test/support/tiny-scheduler.ts";

const tiny = await loadNativeTiny();
const { withScheduler } = scheduling(tiny);

/** About 770 tokens. */
const LONG = "def quick_sort(values):\n    if len(values) < 2:\n        return values\n".repeat(16);
const LONG_TOKENS = tiny.model.encode({ text: LONG }).length;

/** Ids in the order in which their first tokens came. */
function firstTokens(scheduler: TinyScheduler): number[] {
  return [
    ...new Set(scheduler.said.flatMap((each) => ("generated" in each && each.generated.length > 0 ? each.id : []))),
  ];
}

describe("the two lanes", () => {
  /** A slot that is taken while `others` queue, then given free. */
  async function behindOneSlot(
    scheduler: TinyScheduler,
    act: () => readonly TinyRequest[],
  ): Promise<readonly number[]> {
    const holder = scheduler.ask({ limits: { maxTokens: 1000 } });
    await holder.generated(1);
    const waiting = act();
    scheduler.scheduler.abort(holder.id);
    await Promise.all(waiting.map((each) => each.answers()));
    const order = firstTokens(scheduler).filter((id) => id !== holder.id);
    return order.map((id) => waiting.findIndex((each) => each.id === id));
  }

  test.each([true, false])(
    "interactive requests go before batch requests that came earlier (deterministic: %s)",
    async (deterministic) => {
      await withScheduler({ slots: 1, deterministic }, async (scheduler) => {
        const order = await behindOneSlot(scheduler, () =>
          (["batch", "interactive", "batch", "interactive"] as const).map((lane) =>
            scheduler.ask({ lane, limits: { maxTokens: 3 } }),
          ),
        );

        expect(order).toEqual([1, 3, 0, 2]);
      });
    },
  );

  test("a batch request that has waited five seconds goes before interactive ones that came later", async () => {
    let nowMs = 0;
    await withScheduler({ slots: 1, now: () => nowMs }, async (scheduler) => {
      const order = await behindOneSlot(scheduler, () => {
        const batch = scheduler.ask({ lane: "batch", limits: { maxTokens: 3 } });
        nowMs = 1;
        const early = scheduler.ask({ lane: "batch", limits: { maxTokens: 3 } });
        nowMs = 5_000;
        const interactive = scheduler.ask({ limits: { maxTokens: 3 } });
        return [batch, early, interactive];
      });

      expect(order).toEqual([0, 2, 1]);
    });
  });

  test.each([true, false])(
    "a short request gets its first token while a long prompt is still evaluated (deterministic: %s)",
    async (deterministic) => {
      await withScheduler({ deterministic }, async (scheduler) => {
        const talker = scheduler.ask({ limits: { maxTokens: 400 } });
        await talker.generated(1);

        const long = scheduler.ask({ prompt: LONG, lane: "batch" });
        const short = scheduler.ask({ limits: { maxTokens: 2 } });
        await Promise.all([long.answers(), short.answers(), talker.answers()]);

        expect(firstTokens(scheduler)).toEqual([talker.id, short.id, long.id]);
      });
    },
  );

  test("a running answer goes on between the slices of a long prompt", async () => {
    await withScheduler({ deterministic: false, now: () => 0 }, async (scheduler) => {
      const talker = scheduler.ask({ limits: { maxTokens: 100 } });
      await talker.generated(1);

      const long = scheduler.ask({ prompt: LONG });
      const before = talker.outputs.length;
      await long.generated(1);

      // Slices have at most 512 tokens, the first one 128.
      expect(LONG_TOKENS).toBeGreaterThan(640);
      expect(talker.outputs.length - before).toBeGreaterThanOrEqual(2);
      await Promise.all([talker.answers(), long.answers()]);
    });
  });
});

test("a short request stops a long step of somebody else's prompt, which loses nothing", async () => {
  let nowMs = 0;
  const slow = (): number => (nowMs += 2_000); // a machine on which steps take long enough to be worth stopping
  await withScheduler({ deterministic: false, now: slow }, async (scheduler) => {
    const expected = await scheduler.ask({ prompt: LONG, limits: { maxTokens: 3 } }).answer();
    const other = `${LONG.slice(4)}\n`;
    const long = scheduler.ask({ prompt: other, limits: { maxTokens: 3 } });
    const evaluated = scheduler.stats.promptTokens;
    while (scheduler.stats.promptTokens === evaluated) await new Promise((resolve) => setImmediate(resolve));
    const short = scheduler.ask({ limits: { maxTokens: 2 } });
    await Promise.all([long.answer(), short.answer()]);

    expect(scheduler.outcomes).toContain("aborted");
    expect(firstTokens(scheduler).slice(-2)).toEqual([short.id, long.id]);
    expect((await long.answer()).generated).toHaveLength(expected.generated.length);
  });
});

describe("slow readers", () => {
  test.each([true, false])(
    "a paused request makes no step until it is let go on (deterministic: %s)",
    async (deterministic) => {
      await withScheduler({ deterministic }, async (scheduler) => {
        const reference = await scheduler.ask().answer();
        const request = scheduler.ask();
        await request.generated(5);

        scheduler.scheduler.pause(request.id, true);
        const at = request.outputs.length;
        await scheduler.ask({ prompt: "meanwhile " }).answer();
        const meanwhile = request.outputs.length - at;
        scheduler.scheduler.pause(request.id, false);

        // The step under way at the time of the call may still bring one.
        expect(meanwhile).toBeLessThanOrEqual(1);
        expect((await request.answer()).generated).toEqual(reference.generated);
      });
    },
  );

  test("leave their slots to those that wait, and go on from their tokens when they have caught up", async () => {
    await withScheduler({ slots: 2 }, async (scheduler) => {
      const asked = (index: number) => ({
        prompt: `${index} ${LONG}`,
        sampling: { temperature: 1 },
        seed: `${index}`,
        limits: { maxTokens: 30 },
      });
      const expected = [];
      for (const index of [0, 1, 2, 3, 4]) expected.push((await scheduler.ask(asked(index)).answer()).generated);

      const slow = [0, 1, 2, 3, 4].map((index) => scheduler.ask(asked(index)));
      // Nobody reads any of them: each stops behind its fifth token.
      for (const request of slow) {
        void request.generated(5).then(() => scheduler.scheduler.pause(request.id, true));
      }
      await Promise.all(slow.map((request) => request.generated(5)));
      const normal = await scheduler.ask({ prompt: "normal ", limits: { maxTokens: 50 } }).answer();

      expect(normal.generated).toHaveLength(50);
      expect(slow.map(({ outputs }) => outputs.some(({ finished }) => finished !== undefined))).toEqual(
        Array(5).fill(false),
      );
      for (const request of slow.toReversed()) scheduler.scheduler.pause(request.id, false);
      const answers = await Promise.all(slow.map((request) => request.answer()));
      expect(answers.map(({ generated }) => generated)).toEqual(expected);
    });
  });

  test("keep their slots while nobody waits, and what these hold while nobody takes them", async () => {
    await withScheduler({ slots: 2, deterministic: false }, async (scheduler) => {
      const slow = scheduler.ask({ prompt: LONG });
      await slow.generated(5);
      scheduler.scheduler.pause(slow.id, true);
      await scheduler.ask({ prompt: "beside" }).answer();
      const evaluated = scheduler.stats.promptTokens;

      scheduler.scheduler.pause(slow.id, false);
      await slow.answer();

      expect(scheduler.stats.promptTokens).toBe(evaluated);
    });
  });

  test("that are gone without a slot leave nothing behind", async () => {
    await withScheduler({ slots: 1 }, async (scheduler) => {
      const slow = scheduler.ask({ limits: { maxTokens: 100 } });
      await slow.generated(5);
      scheduler.scheduler.pause(slow.id, true);
      await scheduler.ask({ prompt: "normal " }).answer();

      scheduler.scheduler.abort(slow.id);

      expect(scheduler.stats).toMatchObject({ queued: 0, running: 0, aborted: { queued: 0, prefill: 0, decode: 1 } });
    });
  });

  test("a request can be paused while it waits for a slot", async () => {
    await withScheduler({ slots: 1 }, async (scheduler) => {
      const running = scheduler.ask();
      await running.generated(1);
      const waiting = scheduler.ask();
      scheduler.scheduler.pause(waiting.id, true);

      await running.answer();
      expect(waiting.outputs).toEqual([]);

      scheduler.scheduler.pause(waiting.id, false);
      expect((await waiting.answer()).generated).toHaveLength(40);
    });
  });
});

describe.each([true, false])("an abort (deterministic: %s)", (deterministic) => {
  test("in the queue: the request never reaches a slot, all its work is saved", async () => {
    await withScheduler({ slots: 1, deterministic }, async (scheduler) => {
      const running = scheduler.ask();
      await running.generated(1);
      const queued = scheduler.ask({ prompt: LONG, limits: { maxTokens: 50 } });

      scheduler.scheduler.abort(queued.id);

      expect(scheduler.stats).toMatchObject({
        queued: 0,
        running: 1,
        aborted: { queued: 1, prefill: 0, decode: 0 },
        savedPromptTokens: LONG_TOKENS,
        savedCompletionTokens: 50,
      });
      expect(queued.aborted).toMatchObject({ promptShare: 0, completionTokens: 0 });
      await running.answer();
      await scheduler.idle();
      expect(queued.outputs).toEqual([]);
      expect(scheduler.stats.promptTokens).toBeLessThan(LONG_TOKENS);
    });
  });

  test("in the prompt: the rest of the prompt is not evaluated, neighbours go on", async () => {
    await withScheduler({ deterministic }, async (scheduler) => {
      const reference = await scheduler.ask().answer();
      const long = scheduler.ask({ prompt: LONG, limits: { maxTokens: 50 } });
      const other = scheduler.ask();
      await other.generated(1);

      scheduler.scheduler.abort(long.id);

      expect(scheduler.stats.aborted).toEqual({ queued: 0, prefill: 1, decode: 0 });
      expect(scheduler.stats.savedPromptTokens).toBeGreaterThan(0);
      expect(scheduler.stats.savedPromptTokens).toBeLessThanOrEqual(LONG_TOKENS);
      const evaluated = LONG_TOKENS - scheduler.stats.savedPromptTokens;
      expect(long.aborted).toMatchObject({ promptShare: evaluated / LONG_TOKENS, completionTokens: 0 });
      expect(scheduler.stats.savedCompletionTokens).toBe(50);
      const answer = await other.answer();
      expect(answer.generated).toHaveLength(40);
      if (deterministic) expect(answer.text).toBe(reference.text);
      expect(long.outputs).toEqual([]);
    });
  });

  test("in the answer: no further token comes and the slot is free again", async () => {
    await withScheduler({ slots: 1, deterministic }, async (scheduler) => {
      const request = scheduler.ask({ limits: { maxTokens: 500 } });
      await request.generated(5);

      scheduler.scheduler.abort(request.id);
      const next = await scheduler.ask({ prompt: "春天" }).answer();

      const generated = request.outputs.flatMap((output) => output.generated).length;
      expect(generated).toBeLessThanOrEqual(6);
      expect(request.aborted).toMatchObject({ promptShare: 1, completionTokens: generated });
      expect(scheduler.stats.aborted).toEqual({ queued: 0, prefill: 0, decode: 1 });
      expect(scheduler.stats.savedCompletionTokens).toBeGreaterThanOrEqual(494);
      expect(next.generated).toHaveLength(40);
    });
  });

  test("of a prompt in flight stops the native computation, and what follows is not disturbed by it", async () => {
    await withScheduler({ slots: 2, deterministic }, async (scheduler) => {
      const reference = await scheduler.ask({ prompt: LONG }).answer();
      for (let round = 0; round < 8; round += 1) {
        const aborted = scheduler.ask({ prompt: `${round}${LONG}` });
        // The step is launched in the microtasks after the request; none of them can end it.
        for (let turn = 0; turn < 20; turn += 1) await undefined;
        scheduler.scheduler.abort(aborted.id);
        await scheduler.ask({ prompt: "next" }).answer();
      }

      const after = await scheduler.ask({ prompt: LONG }).answer();

      // A busy machine may let a tiny step end before the abort is made, but not every time.
      expect(scheduler.outcomes).toContain("aborted");
      expect(scheduler.stats.aborted).toEqual({ queued: 0, prefill: 8, decode: 0 });
      expect(after.generated.length).toBe(reference.generated.length);
      if (deterministic) expect(after.text).toBe(reference.text);
      else expect(after.generated[0]).toBe(reference.generated[0]);
    });
  });

  test("of a prompt in flight loses no token of the answers in the same step", async () => {
    await withScheduler({ deterministic }, async (scheduler) => {
      const reference = await scheduler.ask({ limits: { maxTokens: 100 } }).answer();
      const talker = scheduler.ask({ limits: { maxTokens: 100 } });
      for (let round = 1; round <= 8; round += 1) {
        await talker.generated(10 * round);
        const long = scheduler.ask({ prompt: `${round}${LONG}` });
        // News of a step goes out as soon as the next one is launched: with the prompt, by then.
        const soFar = talker.outputs.length;
        await talker.until(() => talker.outputs.length > soFar);
        scheduler.scheduler.abort(long.id);
      }

      const answer = await talker.answer();

      expect(scheduler.outcomes).toContain("aborted");
      expect(answer.generated).toHaveLength(100);
      if (deterministic) expect(answer).toEqual(reference);
    });
  });

  test("counts a request once, however many choices it has", async () => {
    await withScheduler({ slots: 2, deterministic }, async (scheduler) => {
      const request = scheduler.ask({ choices: [[], [], []], sampling: {}, limits: { maxTokens: 500 } });
      await request.generated(8);

      scheduler.scheduler.abort(request.id);

      const { queued, prefill, decode } = scheduler.stats.aborted;
      expect(queued + prefill + decode).toBe(1);
      expect(scheduler.stats).toMatchObject({ queued: 0 });
    });
  });

  test("of a request that is over or was never there is nothing", async () => {
    await withScheduler({ deterministic }, async (scheduler) => {
      const request = scheduler.ask();
      await request.answer();

      scheduler.scheduler.abort(request.id);
      scheduler.scheduler.abort(4711);

      expect(request.aborted).toMatchObject({ promptShare: 0, completionTokens: 0 });
      expect(scheduler.stats.aborted).toEqual({ queued: 0, prefill: 0, decode: 0 });
    });
  });
});
