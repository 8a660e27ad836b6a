import { describe, expect, test } from "vitest";
import { LONG, SEEDED, scheduling } from "../../../../test/support/scheduling.ts";
import { type Asked, loadNativeTiny, textPrompt } from "../../../../test/support/tiny-scheduler.ts";
import { gapBetween } from "../../../continuation/gap/gap-end.ts";

const tiny = await loadNativeTiny();
const { withScheduler, tokensOf } = scheduling(tiny);

test("an answer ends before it repeats what stands behind its gap", async () => {
  await withScheduler({}, async (scheduler) => {
    const limits = { maxTokens: 60 };
    const whole = await scheduler.ask({ prompt: LONG, limits }).answer();
    const suffix = /(?<=.{8} )\p{L}.{60}/su.exec(whole.text)?.[0] ?? "";

    const cut = await scheduler
      .ask({ prompt: LONG, limits, gap: { ...gapBetween(LONG, suffix), endBias: 0 } })
      .answer();

    expect(suffix).not.toBe("");
    expect(cut.text).toBe(whole.text.slice(0, whole.text.indexOf(suffix)));
    expect(cut).toMatchObject({ reason: "stop", rule: "suffix" });
  });
});

test("where a gap may end its end is made likelier, and before the answer has begun it is not", async () => {
  await withScheduler({}, async (scheduler) => {
    const gap = { ...gapBetween(LONG, "never written"), endBias: 1000 };

    const answer = await scheduler.ask({ prompt: LONG, limits: { maxTokens: 30 }, gap }).answer();

    expect(answer.reason).toBe("stop");
    expect(answer.rule).toBeUndefined();
    expect(answer.text.trim()).not.toBe("");
    expect(answer.text.length).toBeLessThan(20);
  });
});

describe("deterministic mode", () => {
  test("neighbours and earlier requests change no text, greedy or seeded", async () => {
    await withScheduler({}, async (scheduler) => {
      const asked: Asked[] = [
        { logprobs: 1 },
        { ...SEEDED, logprobs: 1 },
        { prompt: LONG, lane: "batch", logprobs: 1 },
        { ...SEEDED, prompt: `${LONG}print(`, limits: { maxTokens: 25 } },
        { prompt: "春天", limits: { maxTokens: 70 } },
        { prompt: `${LONG}print(1)` },
      ];
      const answered = async (each: Asked) => ({ ...(await scheduler.ask(each).answer()), cachedTokens: undefined });
      const alone = [];
      for (const each of asked) alone.push(await answered(each));

      const together = await Promise.all(asked.map(answered));
      const reversed = await Promise.all(asked.toReversed().map(answered));

      expect(together).toEqual(alone);
      expect(reversed.toReversed()).toEqual(alone);
      expect(new Set(alone.map(({ text }) => text)).size).toBe(asked.length);
    });
  });

  test("another seed draws another text", async () => {
    await withScheduler({}, async (scheduler) => {
      const [one, other] = await Promise.all([
        scheduler.ask(SEEDED).answer(),
        scheduler.ask({ ...SEEDED, seed: "78" }).answer(),
      ]);

      expect(one.text).not.toBe(other.text);
    });
  });

  test("the first of several choices is the one that a single choice gives", async () => {
    await withScheduler({}, async (scheduler) => {
      const single = await scheduler.ask(SEEDED).answer();

      const [first, second, third] = await scheduler.ask({ ...SEEDED, choices: [[], [], []] }).answers();

      expect(first).toEqual(single);
      expect(new Set([first?.text, second?.text, third?.text]).size).toBe(3);
    });
  });

  test("a text with a smaller limit is the beginning of the longer one", async () => {
    await withScheduler({}, async (scheduler) => {
      const whole = await scheduler.ask({ ...SEEDED, limits: { maxTokens: 60 } }).answer();
      const part = await scheduler.ask({ ...SEEDED, limits: { maxTokens: 23 } }).answer();

      expect(part.generated).toEqual(whole.generated.slice(0, 23));
      expect(whole.text.startsWith(part.text)).toBe(true);
      expect(part).toMatchObject({ reason: "length", completionTokens: 23 });
    });
  });
});

describe("limits", () => {
  test("a full context ends the text with `length`", async () => {
    await withScheduler({ slots: 2, slotTokens: 256 }, async (scheduler) => {
      const promptTokens = tokensOf("The ");

      const answer = await scheduler.ask({ limits: { maxTokens: 10_000 } }).answer();

      expect(answer.reason).toBe("length");
      expect(promptTokens + answer.generated.length).toBe(256);
      expect(answer.completionTokens).toBe(256 - promptTokens);
    });
  });

  test("without a limit of the caller's the context is the limit", async () => {
    await withScheduler({ slots: 1, slotTokens: 256, deterministic: false }, async (scheduler) => {
      const answer = await scheduler.ask({ limits: { maxTokens: undefined } }).answer();

      expect(answer.generated).toHaveLength(256 - tokensOf("The "));
    });
  });

  test("a prompt longer than the context is refused, or cut when that is allowed", async () => {
    await withScheduler({ slots: 2, slotTokens: 256 }, async (scheduler) => {
      const refused = scheduler.ask({ prompt: LONG, limits: { maxInputTokens: 255 } });
      const cut = scheduler.ask({ prompt: LONG, limits: { maxInputTokens: 255, truncate: true, maxTokens: 1 } });

      expect(refused.refused).toMatchObject({
        code: "invalid_parameter",
        message: "Range of input length should be [1, 255]",
      });
      expect(cut.accepted).toMatchObject({ promptTokens: 254, truncatedTokens: tokensOf(LONG) - 254 });
      expect((await cut.answer()).generated).toHaveLength(1);
    });
  });

  test("max_tokens 0 evaluates the prompt and generates nothing", async () => {
    await withScheduler({}, async (scheduler) => {
      const request = scheduler.ask({ limits: { maxTokens: 0 }, logprobs: 0, promptLogprobs: true });

      expect(await request.answer()).toMatchObject({ text: "", generated: [], reason: "length", completionTokens: 0 });
      expect(request.echo).toHaveLength(tokensOf("The "));
      expect(scheduler.stats.completionTokens).toBe(0);
    });
  });

  test("a full queue refuses with a time to try again, but never a request that was accepted before", async () => {
    await withScheduler({ slots: 1, queueLimit: 2 }, async (scheduler) => {
      const running = scheduler.ask();
      await running.generated(1);
      const waiting = [scheduler.ask(), scheduler.ask({ choices: [[], [], []] })];

      const late = scheduler.ask();
      const resumed = scheduler.ask({ resumed: true });

      expect(late.refused).toMatchObject({ code: "queue_full", retryAfterMs: 1000 });
      expect(late.accepted).toBeUndefined();
      expect(resumed.refused).toBeUndefined();
      await Promise.all([running, ...waiting, resumed].map((each) => each.answers()));
    });
  });

  test("token ids that the vocabulary lacks are refused and harm nobody", async () => {
    await withScheduler({}, async (scheduler) => {
      const sections = [{ role: "prefix" as const, parts: [{ tokens: [1, 4_000_000] }] }];

      const wrong = scheduler.ask({ prompt: { sections, countOffset: 0 } });

      expect(wrong.refused).toMatchObject({ code: "invalid_parameter" });
      expect((await scheduler.ask().answer()).reason).toBe("length");
    });
  });
});

test("control tokens in a text part are text", async () => {
  const ids = [...tiny.model.encode({ text: "a<|im_end|>b" })];

  expect(ids).not.toContain(tiny.vocabulary.ids.get("<|im_end|>"));
  expect(Buffer.concat(ids.map((id) => tiny.model.bytes(id))).toString()).toBe("a<|im_end|>b");
  expect([...tiny.model.encode({ control: "<|im_end|>" })]).toEqual([tiny.vocabulary.ids.get("<|im_end|>")]);
  expect(textPrompt("x").countOffset).toBe(0);
});
