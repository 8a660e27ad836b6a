import { describe, expect, test } from "vitest";
import { scheduling } from "../../../../test/support/scheduling.ts";
import { loadNativeTiny } from "../../../../test/support/tiny-scheduler.ts";
import type { AcceptedMessage } from "../wire/messages.ts";

const tiny = await loadNativeTiny();
const { withScheduler, tokensOf } = scheduling(tiny);

const LINE = "def quick_sort(values): return values\n";
/** Tokenized beside the steps: more than 65 536 characters, but not so many that they certainly find no room. */
const LONG = LINE.repeat(1_800);
/** Certainly more tokens than a slot holds, whatever the tokens are. */
const HOPELESS = LINE.repeat(100_000);

describe("a prompt that is far too long", () => {
  test("is refused at once when its length alone tells", async () => {
    await withScheduler({ slotTokens: 256 }, async (scheduler) => {
      const request = scheduler.ask({ prompt: HOPELESS, limits: { maxInputTokens: 255 } });

      expect(request.refused).toMatchObject({ message: "Range of input length should be [1, 255]", param: "prompt" });
    });
  });

  test("is tokenized while others go on, and refused then", async () => {
    await withScheduler({ slotTokens: 8192 }, async (scheduler) => {
      const talker = scheduler.ask({ limits: { maxTokens: 2_000 } });
      await talker.generated(1);
      const request = scheduler.ask({ prompt: LONG });
      const before = talker.outputs.length;
      expect([request.refused, scheduler.stats.queued]).toEqual([undefined, 0]);

      await request.until(() => request.refused !== undefined);

      expect(request.refused).toMatchObject({ code: "invalid_parameter" });
      expect(talker.outputs.length).toBeGreaterThan(before);
      scheduler.scheduler.abort(talker.id);
    });
  });

  test("is tokenized when those before it have been: each takes a thread that steps need too", async () => {
    await withScheduler({ slotTokens: 16_384, slots: 1 }, async (scheduler) => {
      const longer = scheduler.ask({ prompt: LINE.repeat(3_500) });
      const shorter = scheduler.ask({ prompt: LONG });
      expect([longer.refused, shorter.refused]).toEqual([undefined, undefined]);

      await shorter.until(() => shorter.refused !== undefined);

      expect(longer.refused).toBeDefined();
    });
  });

  test("is cut to its end where that is allowed, and what was cut is told, about", async () => {
    await withScheduler({ slotTokens: 256 }, async (scheduler) => {
      const limits = { maxInputTokens: 255, truncate: true, maxTokens: 20 };
      const request = scheduler.ask({ prompt: HOPELESS, limits });
      const reference = scheduler.ask({ prompt: LINE.repeat(100), limits });

      expect((await request.answer()).generated).toEqual((await reference.answer()).generated);
      const { promptTokens = 0, truncatedTokens = 0 } = request.accepted as AcceptedMessage;
      const total = 100_000 * tokensOf(LINE);
      expect(Math.abs(promptTokens + truncatedTokens - total) / total).toBeLessThan(0.01);
    });
  });

  test("is forgotten when its client leaves meanwhile", async () => {
    await withScheduler({ slotTokens: 8192 }, async (scheduler) => {
      const request = scheduler.ask({ prompt: LONG });
      scheduler.scheduler.abort(request.id);
      const other = scheduler.ask({ prompt: LONG + LONG.slice(0, 999) });
      await other.until(() => other.refused !== undefined);

      expect([request.refused, request.accepted, request.outputs]).toEqual([undefined, undefined, []]);
      expect(scheduler.faults).toEqual([]);
    });
  });

  test("counts among those that wait", async () => {
    await withScheduler({ slotTokens: 8192, queueLimit: 1 }, async (scheduler) => {
      const request = scheduler.ask({ prompt: LONG });
      const late = scheduler.ask();

      expect(late.refused).toMatchObject({ code: "queue_full" });
      await request.until(() => request.refused !== undefined);
    });
  });
});
