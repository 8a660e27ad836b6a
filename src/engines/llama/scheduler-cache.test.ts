import { describe, expect, test } from "vitest";
import { LONG, NOISE, SEEDED, scheduling } from "../../../test/support/scheduling.ts";
import { type Answer, loadNativeTiny, TinyScheduler } from "../../../test/support/tiny-scheduler.ts";

const tiny = await loadNativeTiny();
const { withScheduler, tokensOf } = scheduling(tiny);

/** The likeliest first token and its log probability are the same, so what was computed or reused before it is. */
function expectSameStart(answer: Answer, other: Answer): void {
  const [a, b] = [answer, other].map(({ logprobs }) => logprobs[0]?.top[0]);
  expect(a?.bytes).toEqual(b?.bytes);
  expect(Math.abs((a?.logprob ?? 0) - (b?.logprob ?? 9))).toBeLessThan(NOISE);
}

/** A prompt answered with nothing in any cache. */
async function alone(prompt: string): Promise<Answer> {
  const scheduler = new TinyScheduler(tiny, { slots: 1 });
  const answer = await scheduler.ask({ prompt, logprobs: 1, limits: { maxTokens: 2 } }).answer();
  await scheduler.idle();
  scheduler.dispose();
  return answer;
}

describe("cached prompts", () => {
  test("all but the last token of a repeated prompt is reused and reported", async () => {
    await withScheduler({ deterministic: false }, async (scheduler) => {
      const first = await scheduler.ask({ prompt: LONG, logprobs: 1 }).answer();

      const again = await scheduler.ask({ prompt: LONG, logprobs: 1 }).answer();

      expect(first.cachedTokens).toBe(0);
      expect(again.cachedTokens).toBe(tokensOf(LONG) - 1);
      expect(again.generated[0]).toBe(first.generated[0]);
      expectSameStart(again, first);
      expect(scheduler.stats.cachedPromptTokens).toBe(tokensOf(LONG) - 1);
      expect(scheduler.stats.promptTokens).toBe(tokensOf(LONG) + 1);
    });
  });

  test("a prompt that goes on from an earlier answer reuses that answer too", async () => {
    await withScheduler({ deterministic: false }, async (scheduler) => {
      const prompt = [...tiny.model.encode({ text: LONG })];
      const { generated } = await scheduler.ask({ prompt: LONG }).answer();
      const sections = [{ role: "prefix" as const, parts: [{ tokens: [...prompt, ...generated] }] }];

      const next = await scheduler.ask({ prompt: { sections, countOffset: 0 } }).answer();

      // The answer's last token was never evaluated; of the rest, the slot holds all.
      expect(next.cachedTokens).toBe(prompt.length + generated.length - 1);
    });
  });

  test("a prefix is shared from a slot that is still at work", async () => {
    await withScheduler({ deterministic: false }, async (scheduler) => {
      const running = scheduler.ask({ prompt: LONG, limits: { maxTokens: 200 } });
      await running.generated(2);

      const beside = await scheduler.ask({ prompt: `${LONG}print(`, logprobs: 1 }).answer();

      expect(beside.cachedTokens).toBe(tokensOf(LONG));
      expectSameStart(beside, await alone(`${LONG}print(`));
      expect((await running.answer()).generated).toHaveLength(200);
    });
  });

  test("several choices evaluate their prompt once", async () => {
    await withScheduler({ deterministic: false }, async (scheduler) => {
      const choices = await scheduler.ask({ ...SEEDED, prompt: LONG, choices: [[], [], []], logprobs: 1 }).answers();

      expect(choices.map((each) => each.cachedTokens)).toEqual([0, tokensOf(LONG) - 1, tokensOf(LONG) - 1]);
      expect(scheduler.stats.promptTokens).toBe(tokensOf(LONG) + 2);
      const reference = await alone(LONG);
      for (const each of choices) expectSameStart(each, reference);
      expect(new Set(choices.map(({ text }) => text)).size).toBe(3);
    });
  });

  test("deterministic mode evaluates every prompt from its first token", async () => {
    await withScheduler({}, async (scheduler) => {
      await scheduler.ask({ prompt: LONG }).answer();

      expect((await scheduler.ask({ prompt: LONG }).answer()).cachedTokens).toBe(0);
    });
  });
});
