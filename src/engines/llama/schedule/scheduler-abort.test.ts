import { describe, expect, test } from "vitest";
import { scheduling } from "../../../../test/support/scheduling.ts";
import { loadNativeTiny } from "../../../../test/support/tiny-scheduler.ts";

const tiny = await loadNativeTiny();
const { withScheduler } = scheduling(tiny);

/** About 770 tokens. */
const LONG = "def quick_sort(values):\n    if len(values) < 2:\n        return values\n".repeat(16);
const LONG_TOKENS = tiny.model.encode({ text: LONG }).length;

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
