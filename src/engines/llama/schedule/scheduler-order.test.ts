import { describe, expect, test } from "vitest";
import { scheduling } from "../../../../test/support/scheduling.ts";
import type { TinyRequest } from "../../../../test/support/tiny-request.ts";
import { loadNativeTiny, type TinyScheduler } from "../../../../test/support/tiny-scheduler.ts";

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
