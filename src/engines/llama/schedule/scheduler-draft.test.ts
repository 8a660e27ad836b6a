import { afterAll, describe, expect, test } from "vitest";
import { type Asked, loadNativeTiny, TinyScheduler } from "../../../../test/support/tiny-scheduler.ts";

const tiny = await loadNativeTiny();
const schedulers: TinyScheduler[] = [];

/** A clock that stands still leaves the cost of steps the usual one, on a busy machine too. */
function scheduler(slots = 1, now = () => 0): TinyScheduler {
  const made = new TinyScheduler(tiny, { deterministic: false, slots, slotTokens: 512, now });
  schedulers.push(made);
  return made;
}

afterAll(async () => {
  for (const each of schedulers) {
    await each.idle();
    each.dispose();
  }
});

/** A repetition penalty below 1 makes even random weights say again what they have read. */
const COPYING = { temperature: 0, repetitionPenalty: 0.7 } as const;

/** Asks for the same, one request after the other, with and without drafts. */
async function both(asked: Asked) {
  const engine = scheduler();
  const plain = await engine.ask({ ...asked, speculation: false }).answer();
  const drafting = engine.ask({ ...asked, speculation: true });
  const drafted = await drafting.answer();
  const proposed = drafting.outputs.reduce((sum, output) => sum + (output.drafted?.proposed ?? 0), 0);
  const accepted = drafting.outputs.reduce((sum, output) => sum + (output.drafted?.accepted ?? 0), 0);
  return { plain, drafted, proposed, accepted, steps: drafting.outputs.length, stats: engine.stats };
}

function same({ plain, drafted }: Awaited<ReturnType<typeof both>>): void {
  const { cachedTokens: _plain, ...expected } = plain;
  const { cachedTokens: _drafted, ...found } = drafted;
  expect(found).toEqual(expected);
}

describe("an answer with drafts", () => {
  test("is the answer without, in fewer steps", async () => {
    const asked = await both({ prompt: "water and light, ".repeat(6), sampling: COPYING, limits: { maxTokens: 80 } });

    same(asked);
    expect(asked.accepted).toBeGreaterThan(20);
    expect(asked.steps).toBeLessThan(asked.drafted.generated.length);
    expect(asked.steps + asked.accepted).toBeGreaterThanOrEqual(asked.drafted.generated.length);
    expect(asked.stats).toMatchObject({ draftedTokens: asked.proposed, acceptedDraftTokens: asked.accepted });
  });

  test.each([1, 2, 3, 5, 9, 17])("ends after %d tokens when that is the limit", async (maxTokens) => {
    const asked = await both({ prompt: "water and light, ".repeat(6), sampling: COPYING, limits: { maxTokens } });

    same(asked);
    expect(asked.drafted.generated).toHaveLength(maxTokens);
  });

  test("ends where the slot is full", async () => {
    const asked = await both({
      prompt: "water and light, ".repeat(6),
      sampling: COPYING,
      limits: { maxTokens: undefined },
    });

    same(asked);
    expect(asked.drafted.reason).toBe("length");
  });

  test("ends at a stop string in the middle of a draft, and the next answer is none the wiser", async () => {
    const engine = scheduler();
    const asked: Asked = { prompt: "water and light, ".repeat(6), sampling: COPYING, speculation: true };
    const whole = await engine.ask(asked).answer();
    const stop = whole.text.slice(20, 26);
    const cut = await engine.ask({ ...asked, limits: { maxTokens: 40, stopStrings: [stop] } }).answer();
    const again = await engine.ask(asked).answer();

    expect(cut.text).toBe(whole.text.slice(0, whole.text.indexOf(stop)));
    expect(again.text).toBe(whole.text);
  });

  test("carries log probabilities for every token", async () => {
    const asked = await both({ prompt: "water and light, ".repeat(6), sampling: COPYING, logprobs: 2 });

    expect(asked.accepted).toBeGreaterThan(5);
    expect(asked.drafted.logprobs.map(({ bytes }) => bytes)).toEqual(asked.plain.logprobs.map(({ bytes }) => bytes));
  });

  test("is drawn as without drafts", async () => {
    const sampling = { temperature: 0.8, topK: 20, repetitionPenalty: 0.7 };
    const asked = await both({ prompt: "water and light, ".repeat(6), sampling, seed: "99" });

    expect(asked.accepted).toBeGreaterThan(5);
    expect(asked.drafted.text).toBe(asked.plain.text);
  });

  test("shares its steps with others", async () => {
    const engine = scheduler(4);
    const prompts = ["water and light, ", "first second ", "for value in list: ", "def return "];
    const asked = prompts.map((prompt): Asked => ({ prompt: prompt.repeat(6), sampling: COPYING }));
    const alone = [];
    for (const each of asked) alone.push(await engine.ask(each).answer());
    const together = await Promise.all(asked.map((each) => engine.ask({ ...each, speculation: true }).answer()));

    expect(together.map(({ generated }) => generated.length)).toEqual(alone.map(({ generated }) => generated.length));
    expect(engine.stats.acceptedDraftTokens).toBeGreaterThan(20);
  });
});

test("greedy text is the same with drafts on and off: 500 prompts", async () => {
  let ms = 0;
  // Steps seem to take 1 to 7 ms whatever their rows, so that drafts of every length come about.
  const engine = scheduler(1, () => {
    ms += 1 + ((ms * 5) % 7);
    return ms;
  });
  const words = "water light first people garden value list return the of and 春天 明天 学习 window".split(" ");
  let accepted = 0;
  for (let index = 0; index < 500; index += 1) {
    const prompt = Array.from(
      { length: 6 + (index % 20) },
      (_, at) => words[(at * (1 + (index % 7)) + index) % words.length],
    );
    const asked: Asked = { prompt: prompt.join(" "), sampling: COPYING, limits: { maxTokens: 24 } };
    const plain = await engine.ask(asked).answer();
    const drafting = engine.ask({ ...asked, speculation: true });
    expect((await drafting.answer()).text, prompt.join(" ")).toBe(plain.text);
    accepted += drafting.outputs.reduce((sum, output) => sum + (output.drafted?.accepted ?? 0), 0);
  }
  expect(accepted).toBeGreaterThan(500);
}, 120_000);
