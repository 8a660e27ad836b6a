import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import type { Answer } from "../../../../test/support/tiny-request.ts";
import { type Asked, loadNativeTiny, TinyScheduler } from "../../../../test/support/tiny-scheduler.ts";
import { arrangePrompt, encodeParts } from "../../../continuation/encode-prompt.ts";
import type { LoweredPrompt } from "../../../continuation/prompt.ts";
import { tokensToHeal } from "../pick/healing.ts";

const tiny = await loadNativeTiny();
const scheduler = new TinyScheduler(tiny, { deterministic: false, slots: 32, slotTokens: 256, queueLimit: 500 });
afterAll(async () => {
  await scheduler.idle();
  scheduler.dispose();
});

/** A text that goes on at its end. */
function continued(text: string): LoweredPrompt {
  const heal = { section: 0, bytes: Buffer.byteLength(text), byDefault: true };
  return { sections: [{ role: "prefix", parts: [{ text }] }], countOffset: 0, heal };
}

function kept(prompt: LoweredPrompt) {
  const encoded = encodeParts(prompt, (part) => tiny.model.encode(part));
  return arrangePrompt(
    prompt,
    encoded,
    { maxInputTokens: 1_000, truncate: false },
    { roomTokens: 1_000, tokensToHeal: (tokens, bytes) => tokensToHeal(tokens, bytes, tiny.model.pieces) },
  );
}

function bytesOf(tokens: readonly number[]): Buffer {
  return Buffer.concat(tokens.map((id) => tiny.model.bytes(id)));
}

/** What is generated spells the end of the prefix first, and what is shown is all that comes after it. */
function expectSeamless(text: string, answer: Answer): void {
  const whole = Buffer.concat([bytesOf(kept(continued(text)).tokens), bytesOf(answer.generated)]);
  const prefix = Buffer.from(text);
  expect(whole.subarray(0, prefix.length).toString("latin1"), text).toBe(prefix.toString("latin1"));
  const shown = new TextDecoder("utf-8", { ignoreBOM: true }).decode(whole.subarray(prefix.length), { stream: true });
  expect(answer.text, text).toBe(shown);
  expect(answer.shown.length).toBe(answer.completionTokens);
}

const TEXTS = [
  "The first people found water between the mountains and the garden; nothing else was known about that place.",
  "春天来了，大地一片生机。人们说：学习使人进步，时间就是生命，明天会更好。",
  "Look 👩‍👩‍👧‍👦 at this 🎉🎉 party, naïve café — 1️⃣ + 2️⃣ = 3️⃣ 🇨🇳!",
  "def quick_sort(values):\n    if len(values) < 2:\n        return values\n    first = values[0]\n    while True:\n\t\tbreak\n",
  "export const print = async (list) => { for (const entry of list) await print(entry); };\n\n",
];

const anyText = fc.oneof(
  fc.constantFrom(...TEXTS),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }),
  fc.string({ unit: "binary", minLength: 1, maxLength: 40 }),
);

describe("a prefix that is cut anywhere", () => {
  test("is continued exactly where it ends: 10 000 cuts", async () => {
    const cuts = fc.sample(
      anyText.chain((text) =>
        fc.integer({ min: 1, max: text.length }).map((end) => Buffer.from(text.slice(0, end)).toString()),
      ),
      10_000,
    );
    // As many at a time as the queue takes.
    for (let start = 0; start < cuts.length; start += 500) {
      const batch = cuts.slice(start, start + 500);
      const answers = batch.map((text) => {
        const asked: Asked = { prompt: continued(text), healing: true, limits: { maxTokens: 2 } };
        return scheduler.ask(asked).answer();
      });
      for (const [index, answer] of (await Promise.all(answers)).entries()) expectSeamless(batch[index] ?? "", answer);
    }
    const tails = cuts.map((text) => kept(continued(text)).tail.length);
    expect(tails.filter((length) => length > 0).length).toBeGreaterThan(2_000);
    expect(tails.filter((length) => length > 1).length).toBeGreaterThan(300);
  }, 120_000);

  test("of a text that is not the end of the prompt is continued where it ends too", async () => {
    const text = "first = values[0]\n    whi";
    const prompt: LoweredPrompt = {
      sections: [
        { role: "fixed", parts: [{ control: "<|fim_prefix|>" }] },
        { role: "prefix", parts: [{ text }] },
        { role: "fixed", parts: [{ control: "<|fim_suffix|>" }] },
        { role: "suffix", parts: [{ text: " True:\n" }] },
        { role: "fixed", parts: [{ control: "<|fim_middle|>" }] },
      ],
      countOffset: -3,
      heal: { section: 1, bytes: Buffer.byteLength(text), byDefault: false },
    };
    const { tail, lead } = kept(prompt);
    const answer = await scheduler.ask({ prompt, healing: true, limits: { maxTokens: 4 } }).answer();

    expect(bytesOf(tail).toString()).toMatch(/whi$/);
    expect(`${bytesOf(lead ?? [])}${bytesOf(tail)}`).toBe(text);
    expect(`${bytesOf(answer.generated)}`.startsWith(`${bytesOf(tail)}${answer.text}`)).toBe(true);
  });

  test("keeps its length in the report, and costs no more of the answer's limit", async () => {
    const prompt = continued("The first peop");
    const [healed, plain] = [true, false].map((healing) =>
      scheduler.ask({ prompt, healing, limits: { maxTokens: 3 } }),
    );
    const answers = await Promise.all([healed?.answer(), plain?.answer()]);

    expect(healed?.accepted?.promptTokens).toBe(plain?.accepted?.promptTokens);
    expect(answers.map((answer) => answer?.completionTokens)).toEqual([3, 3]);
    expect(answers.map((answer) => answer?.shown.length)).toEqual([3, 3]);
  });

  test("has log probabilities of what is shown only", async () => {
    const asked: Asked = { prompt: continued("The first peop"), healing: true, logprobs: 3, limits: { maxTokens: 3 } };
    const { text, logprobs } = await scheduler.ask(asked).answer();

    expect(logprobs).toHaveLength(3);
    expect(
      Buffer.concat(logprobs.map(({ bytes }) => Buffer.from(bytes)))
        .toString()
        .startsWith(text),
    ).toBe(true);
  });
});

describe("nothing is taken back", () => {
  test("of a prompt that is to be scored, or that nothing is added to", async () => {
    const prompt = continued("The first peop");
    const scored = scheduler.ask({
      prompt,
      healing: true,
      logprobs: 0,
      promptLogprobs: true,
      limits: { maxTokens: 2 },
    });
    const { generated } = await scored.answer();
    const alone = await scheduler.ask({ prompt, healing: true, limits: { maxTokens: 0 } }).answer();

    expect(generated).toHaveLength(2);
    expect(Buffer.concat((scored.echo ?? []).map(({ bytes }) => Buffer.from(bytes))).toString()).toBe("The first peop");
    expect(alone).toMatchObject({ text: "", generated: [] });
  });

  test("when it is not wanted", async () => {
    const { generated } = await scheduler.ask({ prompt: continued("The fi"), limits: { maxTokens: 2 } }).answer();

    expect(generated).toHaveLength(2);
  });

  test("of the only token there is", () => {
    expect(kept(continued("peop"))).toMatchObject({ tail: [], promptTokens: 1 });
  });
});
