import { describe, expect, test } from "vitest";
import { LONG, NOISE, SEEDED, scheduling } from "../../../../test/support/scheduling.ts";
import type { Answer } from "../../../../test/support/tiny-request.ts";
import { BLOCK_TOKENS, loadNativeTiny, TinyScheduler } from "../../../../test/support/tiny-scheduler.ts";
import { nextCut } from "./blocks.ts";

const tiny = await loadNativeTiny();
const { withScheduler, tokensOf } = scheduling(tiny);

/** The likeliest first token and its log probability are the same, so what was computed or reused before it is. */
function expectSameStart(answer: Answer, other: Answer): void {
  const [a, b] = [answer, other].map(({ logprobs }) => logprobs[0]?.top[0]);
  expect(a?.bytes).toEqual(b?.bytes);
  expect(Math.abs((a?.logprob ?? 0) - (b?.logprob ?? 9))).toBeLessThan(NOISE);
}

/** Tokens of a prompt before its last piece. */
function lastCut(prompt: string): number {
  const length = tokensOf(prompt);
  let cut = 0;
  for (let next = 0; next < length; next = nextCut(next, length, BLOCK_TOKENS)) cut = next;
  return cut;
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
  test("of a repeated prompt all but the last piece is reused and reported", async () => {
    await withScheduler({ deterministic: false }, async (scheduler) => {
      const first = await scheduler.ask({ prompt: LONG, logprobs: 1 }).answer();

      const again = await scheduler.ask({ prompt: LONG, logprobs: 1 }).answer();

      expect(first.cachedTokens).toBe(0);
      expect(again).toEqual({ ...first, cachedTokens: lastCut(LONG) });
      expect(scheduler.stats.cachedPromptTokens).toBe(lastCut(LONG));
      expect(scheduler.stats.promptTokens).toBe(2 * tokensOf(LONG) - lastCut(LONG));
    });
  });

  test("a prompt that goes on from an earlier answer reuses the whole blocks of the earlier prompt", async () => {
    await withScheduler({ deterministic: false }, async (scheduler) => {
      const prompt = [...tiny.model.encode({ text: LONG })];
      const { generated } = await scheduler.ask({ prompt: LONG }).answer();
      const sections = [{ role: "prefix" as const, parts: [{ tokens: [...prompt, ...generated] }] }];

      const next = await scheduler.ask({ prompt: { sections, countOffset: 0 } }).answer();

      // The answer was evaluated row by row, which rounds otherwise than a prompt.
      expect(next.cachedTokens).toBe(prompt.length - (prompt.length % BLOCK_TOKENS));
    });
  });

  test("conversations that begin alike and take turns keep a slot each", async () => {
    await withScheduler({ deterministic: false }, async (scheduler) => {
      const system = LONG.slice(0, 400);
      const shared = tokensOf(system) - (tokensOf(system) % BLOCK_TOKENS);
      let [one, two] = [`${system}# water ${LONG}`, `${system}# light ${LONG.toUpperCase().slice(0, 600)}`];
      await scheduler.ask({ prompt: one }).answer();
      expect((await scheduler.ask({ prompt: two }).answer()).cachedTokens).toBe(shared);

      for (let turn = 0; turn < 3; turn += 1) {
        const before = [tokensOf(one), tokensOf(two)];
        [one, two] = [`${one}print(${turn})\n`, `${two}print(${turn})\n`];
        for (const [index, prompt] of [one, two].entries()) {
          const { cachedTokens } = await scheduler.ask({ prompt, limits: { maxTokens: 1 } }).answer();
          expect(cachedTokens).toBeGreaterThan((before[index] ?? 0) - BLOCK_TOKENS);
        }
      }
    });
  });

  test("a prefix is shared from a slot that is still at work", async () => {
    await withScheduler({ deterministic: false }, async (scheduler) => {
      const running = scheduler.ask({ prompt: LONG, limits: { maxTokens: 200 } });
      await running.generated(2);

      const beside = await scheduler.ask({ prompt: `${LONG}print(`, logprobs: 1 }).answer();

      expect(beside.cachedTokens).toBe(tokensOf(LONG) - (tokensOf(LONG) % BLOCK_TOKENS));
      expectSameStart(beside, await alone(`${LONG}print(`));
      expect((await running.answer()).generated).toHaveLength(200);
    });
  });

  test("several choices evaluate their prompt once", async () => {
    await withScheduler({ deterministic: false }, async (scheduler) => {
      const choices = await scheduler.ask({ ...SEEDED, prompt: LONG, choices: [[], [], []], logprobs: 1 }).answers();

      const cached = lastCut(LONG);
      expect(choices.map((each) => each.cachedTokens)).toEqual([0, cached, cached]);
      expect(scheduler.stats.promptTokens).toBe(3 * tokensOf(LONG) - 2 * cached);
      const reference = await alone(LONG);
      for (const each of choices) expectSameStart(each, reference);
      expect(new Set(choices.map(({ text }) => text)).size).toBe(3);
    });
  });

  test("several choices evaluate their prompt once in a new process, too", async () => {
    await withScheduler({ deterministic: false }, async (scheduler) => {
      const choices = [[65, 66], [67], [68, 69]];
      const resumed = await scheduler.ask({ ...SEEDED, prompt: LONG, choices, resumed: true }).answers();

      const cached = tokensOf(LONG); // what was generated is left to evaluate
      expect(resumed.map((each) => each.cachedTokens)).toEqual([0, cached, cached]);
    });
  });

  test("deterministic mode reuses them too, and says the same", async () => {
    await withScheduler({}, async (scheduler) => {
      const first = await scheduler.ask({ prompt: LONG, logprobs: 2 }).answer();

      const again = await scheduler.ask({ prompt: LONG, logprobs: 2 }).answer();

      expect(again).toEqual({ ...first, cachedTokens: lastCut(LONG) });
    });
  });
});
