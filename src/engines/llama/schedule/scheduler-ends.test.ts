import { afterAll, describe, expect, test } from "vitest";
import { type Asked, loadNativeTiny, TinyScheduler, textPrompt } from "../../../../test/support/tiny-scheduler.ts";

const tiny = await loadNativeTiny();
const scheduler = new TinyScheduler(tiny, { deterministic: false, slots: 4, slotTokens: 256 });
afterAll(async () => {
  await scheduler.idle();
  scheduler.dispose();
});

const END = tiny.vocabulary.ids.get("<|im_end|>") ?? -1;

/** An answer that ends as soon as it may. */
const eager = (limits: Asked["limits"], over: Asked = {}) =>
  scheduler.ask({ logitBias: [[END, 100]], limits: { maxTokens: 40, ...limits }, ...over }).answer();

describe.each([
  ["greedy", { temperature: 0 }],
  ["drawn", { temperature: 1 }],
])("an answer (%s)", (_how, sampling) => {
  test.each([
    [undefined, 0],
    [1, 1],
    [17, 17],
  ])("with min_tokens %s ends behind that many", async (minTokens, tokens) => {
    const answer = await eager(minTokens === undefined ? {} : { minTokens }, { sampling });

    expect(answer).toMatchObject({ reason: "stop", completionTokens: tokens });
    expect(answer.shown).not.toContain(END);
  });

  test("that ignores its ends goes on to its limit, or to that of the context", async () => {
    const limited = await eager({ ignoreEnds: true }, { sampling });
    const unlimited = await eager({ ignoreEnds: true, maxTokens: undefined }, { sampling });

    expect(limited).toMatchObject({ reason: "length", completionTokens: 40 });
    expect(limited.shown).not.toContain(END);
    expect(unlimited.reason).toBe("length");
    expect(unlimited.completionTokens).toBeGreaterThan(200);
  });
});

describe("stops of an answer", () => {
  const whole = scheduler.ask().answer();

  test("hold when it ignores its ends, and not before its first tokens have come", async () => {
    const { text, shown } = await whole;
    const stop = text.slice(2, 5);

    const held = await scheduler.ask({ limits: { ignoreEnds: true, stopStrings: [stop] } }).answer();
    const late = await scheduler.ask({ limits: { minTokens: 30, stopStrings: [stop] } }).answer();
    const lateId = await scheduler.ask({ limits: { minTokens: 30, stopSequences: [[shown[0] ?? -1]] } }).answer();

    expect(held.text).toBe(text.slice(0, text.indexOf(stop)));
    for (const answer of [late, lateId]) {
      expect(answer.completionTokens).toBeGreaterThanOrEqual(30);
      expect(text.startsWith(answer.text)).toBe(true);
    }
  });

  test("are not those of a grammar, which ends it when it is complete", async () => {
    const grammar = { source: 'root ::= "abc"', prefix: "" };

    const answer = await scheduler.ask({ grammar, limits: { minTokens: 30, ignoreEnds: true } }).answer();

    expect(answer).toMatchObject({ text: "abc", reason: "stop" });
  });

  test("a healed word counts as the prompt that it is", async () => {
    const prompt = { ...textPrompt("The water an"), heal: { section: 0, bytes: 12, byDefault: true } };

    const answer = await eager({ minTokens: 5 }, { prompt, healing: true });

    expect(answer).toMatchObject({ reason: "stop", completionTokens: 5 });
  });
});

test("an answer that a new process goes on with keeps its count", async () => {
  const first = await eager({ minTokens: 8 });

  const resumed = await eager({ minTokens: 8 }, { choices: [first.generated.slice(0, 5)], resumed: true });

  expect([...first.generated.slice(0, 5), ...resumed.generated]).toEqual(first.generated);
});
