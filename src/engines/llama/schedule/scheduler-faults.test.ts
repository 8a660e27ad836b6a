import { describe, expect, test } from "vitest";
import { scheduling } from "../../../../test/support/scheduling.ts";
import { loadNativeTiny, textPrompt } from "../../../../test/support/tiny-scheduler.ts";

const tiny = await loadNativeTiny();
const { withScheduler } = scheduling(tiny);

describe.each([true, false])("a fault in the work for one request (deterministic: %s)", (deterministic) => {
  test("while its token is picked ends it, and its neighbours get what they would have got", async () => {
    await withScheduler({ deterministic }, async (scheduler) => {
      const expected = await scheduler.ask({ prompt: "neighbour " }).answer();
      const hit = scheduler.ask({ limits: { maxTokens: 500 }, choices: [[], [], []] });
      await hit.generated(3);
      const neighbour = scheduler.ask({ prompt: "neighbour " });
      scheduler.failNext();
      await hit.until(() => hit.refused !== undefined);
      const after = scheduler.ask();

      expect(hit.refused).toMatchObject({ code: "internal", message: expect.stringContaining("a fault in reading") });
      expect(scheduler.faults).toEqual([expect.any(TypeError)]);
      expect((await neighbour.answer()).generated[0]).toBe(expected.generated[0]);
      expect((await after.answer()).generated).toHaveLength(40);
      expect(scheduler.stats).toMatchObject({ queued: 0, running: 0 });
    });
  });

  test("while its prompt is encoded refuses it, and nothing else", async () => {
    await withScheduler({ deterministic }, async (scheduler) => {
      const { sections } = textPrompt("a");
      const control = { role: "fixed" as const, parts: [{ control: "<|nobody knows this|>" }] };

      const wrong = scheduler.ask({ prompt: { sections: [...sections, control], countOffset: 0 } });

      expect(wrong.refused).toMatchObject({ code: "internal" });
      expect(scheduler.faults).toHaveLength(1);
      expect((await scheduler.ask().answer()).generated).toHaveLength(40);
    });
  });

  test("what the caller did wrong is no fault of ours", async () => {
    await withScheduler({ deterministic }, async (scheduler) => {
      const wrong = scheduler.ask({ grammar: { source: "root ::= other", prefix: "" } });

      expect(wrong.refused).toMatchObject({ code: "invalid_parameter" });
      expect(scheduler.faults).toEqual([]);
    });
  });
});
