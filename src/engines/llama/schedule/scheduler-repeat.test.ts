import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { SEEDED } from "../../../../test/support/scheduling.ts";
import type { Answer } from "../../../../test/support/tiny-request.ts";
import { type Asked, loadNativeTiny, TinyScheduler } from "../../../../test/support/tiny-scheduler.ts";

const tiny = await loadNativeTiny();
const schedulers: TinyScheduler[] = [];

function scheduler(): TinyScheduler {
  const made = new TinyScheduler(tiny, { deterministic: false });
  schedulers.push(made);
  return made;
}

afterAll(async () => {
  for (const each of schedulers) {
    await each.idle();
    each.dispose();
  }
});

const WORDS = "water light first people garden value list return the of and 春天 明天 学习 window".split(" ");

/** Words that repeat in no short cycle; texts of other lengths begin alike. */
function words(count: number): string {
  return Array.from({ length: count }, (_, index) => WORDS[(index * index + 3 * index) % WORDS.length]).join(" ");
}

/** What is answered, to the last bit of every log probability; not how much of the prompt was cached. */
async function answered(engine: TinyScheduler, asked: Asked): Promise<Omit<Answer, "cachedTokens">> {
  const { cachedTokens: _, ...answer } = await engine.ask({ logprobs: 2, ...asked }).answer();
  return answer;
}

describe("a request that is repeated on an idle server gets the same answer, bit by bit", () => {
  const greedy: Asked = { sampling: { temperature: 0 } };
  const drawn: Asked = SEEDED;
  const healed: Asked = { ...SEEDED, healing: true };
  const copying: Asked = { sampling: { temperature: 0.8, repetitionPenalty: 0.7 }, speculation: true };

  test.each([
    ["greedy", greedy],
    ["drawn with a seed", drawn],
    ["with healing", healed],
    ["with drafts", copying],
  ])("%s: six times in a row", async (_, asked) => {
    const engine = scheduler();
    const request = { prompt: words(220), limits: { maxTokens: 80 }, ...asked };
    const answers: unknown[] = [];
    for (let time = 0; time < 6; time += 1) answers.push(await answered(engine, request));

    for (const answer of answers) expect(answer).toEqual(answers[0]);
  });

  test("whatever was cached before, and wherever", async () => {
    const engine = scheduler();
    const fresh = new Map<number, unknown>();
    const before = fc.record({
      words: fc.integer({ min: 1, max: 300 }),
      drafts: fc.boolean(),
      maxTokens: fc.integer({ min: 1, max: 30 }),
      together: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 300 }), fc.array(before, { maxLength: 4 }), async (count, earlier) => {
        const request: Asked = { ...SEEDED, prompt: words(count), limits: { maxTokens: 12 } };
        if (!fresh.has(count)) fresh.set(count, await answered(scheduler(), request));

        const running = [];
        for (const each of earlier) {
          const sampling = { temperature: 0 };
          const limits = { maxTokens: each.maxTokens };
          const asked = engine.ask({ sampling, prompt: words(each.words), limits, speculation: each.drafts });
          running.push(asked.answer());
          if (!each.together) await Promise.all(running);
        }
        await Promise.all(running);

        expect(await answered(engine, request)).toEqual(fresh.get(count));
      }),
      { numRuns: 40 },
    );
  });
});
