import { describe, expect, test } from "vitest";
import {
  type Answer,
  type Asked,
  loadNativeTiny,
  TinyScheduler,
  type TinySchedulerOptions,
  textPrompt,
} from "../../../test/support/tiny-scheduler.ts";

const tiny = await loadNativeTiny();

/** About 450 tokens. */
const LONG = "def quick_sort(values):\n    if len(values) < 2:\n        return values\n".repeat(12);

async function withScheduler(
  options: TinySchedulerOptions,
  act: (scheduler: TinyScheduler) => Promise<void>,
): Promise<void> {
  const scheduler = new TinyScheduler(tiny, options);
  await act(scheduler);
  await scheduler.idle();
  scheduler.dispose();
}

/** What computing rows together or one by one may change in a log probability of this model. */
const NOISE = 0.1;

/** The likeliest first token and its log probability are the same, so what was computed or reused before it is. */
function expectSameStart(answer: Answer, other: Answer): void {
  const [a, b] = [answer, other].map(({ logprobs }) => logprobs[0]?.top[0]);
  expect(a?.token).toBe(b?.token);
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

function tokensOf(text: string): number {
  return tiny.model.encode({ text }).length;
}

const SEEDED: Asked = { sampling: { temperature: 1, topP: 0.95, repetitionPenalty: 1.1 }, seed: "77" };

test("an answer ends before the text that its prompt names, as before a stop string of the request", async () => {
  await withScheduler({}, async (scheduler) => {
    const sections = [{ role: "prefix" as const, parts: [{ text: LONG }] }];
    const whole = await scheduler.ask({ prompt: { sections, countOffset: 0 } }).answer();
    const stop = whole.text.slice(12, 20);

    const cut = await scheduler.ask({ prompt: { sections, countOffset: 0, stop } }).answer();

    expect(cut.text).toBe(whole.text.slice(0, whole.text.indexOf(stop)));
    expect(cut.reason).toBe("stop");
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
      const alone = [];
      for (const each of asked) alone.push(await scheduler.ask(each).answer());

      const together = await Promise.all(asked.map((each) => scheduler.ask(each).answer()));
      const reversed = await Promise.all(asked.toReversed().map((each) => scheduler.ask(each).answer()));

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
      expect(forced.map((each) => each.token)).toEqual(answer.logprobs.map((each) => each.token));
      for (const [index, each] of forced.entries()) {
        const generated = answer.logprobs[index];
        expect(Math.abs((each.logprob ?? 9) - (generated?.logprob ?? 0))).toBeLessThan(NOISE);
        expect("top" in each ? each.top.map(({ token }) => token) : []).toHaveLength(2);
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

      expect(request.accepted).toBeUndefined();
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
});

test("control tokens in a text part are text", async () => {
  const ids = [...tiny.model.encode({ text: "a<|im_end|>b" })];

  expect(ids).not.toContain(tiny.vocabulary.ids.get("<|im_end|>"));
  expect(Buffer.concat(ids.map((id) => tiny.model.bytes(id))).toString()).toBe("a<|im_end|>b");
  expect([...tiny.model.encode({ control: "<|im_end|>" })]).toEqual([tiny.vocabulary.ids.get("<|im_end|>")]);
  expect(textPrompt("x").countOffset).toBe(0);
});
