import { describe, expect, test } from "vitest";
import { LONG, NOISE, SEEDED, scheduling } from "../../../../test/support/scheduling.ts";
import { loadNativeTiny } from "../../../../test/support/tiny-scheduler.ts";

const tiny = await loadNativeTiny();
const { withScheduler, tokensOf } = scheduling(tiny);

describe("log probabilities", () => {
  test("scoring an answer as a prompt gives the log probabilities it was generated with", async () => {
    await withScheduler({}, async (scheduler) => {
      const prompt = [...tiny.model.encode({ text: LONG })];
      const answer = await scheduler.ask({ ...SEEDED, prompt: LONG, logprobs: 2 }).answer();
      const sections = [{ role: "prefix" as const, parts: [{ tokens: [...prompt, ...answer.generated] }] }];

      const scored = scheduler.ask({
        prompt: { sections, countOffset: 0 },
        limits: { maxTokens: 0 },
        logprobs: 2,
        promptLogprobs: true,
      });
      await scored.answer();

      const [first, ...rest] = scored.echo ?? [];
      expect(first?.logprob).toBeNull();
      expect(rest).toHaveLength(prompt.length + answer.generated.length - 1);
      const forced = rest.slice(prompt.length - 1);
      expect(forced.map((each) => each.bytes)).toEqual(answer.logprobs.map((each) => each.bytes));
      for (const [index, each] of forced.entries()) {
        const generated = answer.logprobs[index];
        expect(Math.abs((each.logprob ?? 9) - (generated?.logprob ?? 0))).toBeLessThan(NOISE);
        expect("top" in each ? each.top.map(({ bytes }) => bytes) : []).toHaveLength(2);
      }
    });
  });

  test("the tokens of an echo spell the prompt, control tokens included", async () => {
    await withScheduler({ deterministic: false }, async (scheduler) => {
      const prompt = {
        sections: [
          { role: "fixed" as const, parts: [{ control: "<|fim_prefix|>" }] },
          { role: "prefix" as const, parts: [{ text: "你好 <|im_end|> x" }] },
        ],
        countOffset: 0,
      };
      const request = scheduler.ask({ prompt, logprobs: 0, promptLogprobs: true });
      await request.answer();

      const bytes = (request.echo ?? []).flatMap((each) => each.bytes);
      expect(Buffer.from(bytes).toString()).toBe("<|fim_prefix|>你好 <|im_end|> x");
    });
  });

  test("a request whose process died before its echo still gets it", async () => {
    await withScheduler({}, async (scheduler) => {
      const request = scheduler.ask({ resumed: true, logprobs: 0, promptLogprobs: true });
      await request.answer();

      expect(request.echo).toHaveLength(tokensOf("The "));
    });
  });

  test("every generated token has one, held back or not", async () => {
    await withScheduler({}, async (scheduler) => {
      const request = scheduler.ask({ prompt: "春天", logprobs: 3, limits: { maxTokens: 80, stopStrings: ["never"] } });
      await request.answer();

      for (const output of request.outputs) {
        expect(output.logprobs).toHaveLength(output.generated.length);
        for (const each of output.logprobs ?? []) expect(each.top).toHaveLength(3);
      }
    });
  });

  test("scoring counts when the slices of a prompt are measured, so that others need not wait long for one", async () => {
    let nowMs = 0;
    const onRead = (): void => {
      nowMs += 10;
    };
    await withScheduler({ deterministic: false, now: () => nowMs, onRead }, async (scheduler) => {
      await scheduler.ask({ prompt: LONG, promptLogprobs: true, limits: { maxTokens: 0 } }).answer();

      // 10 ms a row, and at most 3 s for a step.
      expect(Math.max(...scheduler.sizes)).toBeLessThanOrEqual(300);
    });
  });
});
