import { describe, expect, test } from "vitest";
import type { Answer } from "../../../../test/support/tiny-request.ts";
import { type Asked, loadNativeTiny, TinyScheduler } from "../../../../test/support/tiny-scheduler.ts";
import type { TokenLogprob } from "../../../continuation/output.ts";

const tiny = await loadNativeTiny();

/** Longer than a slice, so that the prompt of a resumed request is evaluated in several again. */
const PROMPT = "def quick_sort(values):\n    if len(values) < 2:\n        return values\n".repeat(3);

/** What the first `count` outputs of an undisturbed run said. */
interface Beginning {
  readonly generated: readonly number[];
  readonly text: string;
  readonly shown: readonly number[];
  readonly logprobs: readonly TokenLogprob[];
}

/** Runs a request, then again from every place where it could have been cut, and compares the joined answers. */
async function cutEverywhere(asked: Asked, deterministic = true): Promise<Answer> {
  const scheduler = new TinyScheduler(tiny, { deterministic, slots: 8 });
  const whole = scheduler.ask(asked);
  const answer = await whole.answer();
  const beginnings = whole.outputs.map((_, count): Beginning => {
    const outputs = whole.outputs.slice(0, count);
    return {
      generated: outputs.flatMap((output) => output.generated),
      text: outputs.map((output) => output.text).join(""),
      shown: outputs.flatMap((output) => output.shown),
      logprobs: outputs.flatMap((output) => output.logprobs ?? []),
    };
  });
  const ends = await Promise.all(
    beginnings.map(({ generated }) => scheduler.ask({ ...asked, choices: [generated], resumed: true }).answer()),
  );
  for (const [count, beginning] of beginnings.entries()) {
    const end = ends[count];
    if (end === undefined) throw new Error("an answer is missing");
    const joined = {
      generated: [...beginning.generated, ...end.generated],
      text: beginning.text + end.text,
      shown: [...beginning.shown, ...end.shown],
      logprobs: [...beginning.logprobs, ...end.logprobs],
      reason: end.reason,
      completionTokens: end.completionTokens,
    };
    const { generated, text, shown, logprobs, reason, completionTokens } = answer;
    if (deterministic)
      expect(joined, `cut after ${count}`).toEqual({ generated, text, shown, logprobs, reason, completionTokens });
    else expect(joined.generated.length, `cut after ${count}`).toBe(generated.length);
  }
  await scheduler.idle();
  scheduler.dispose();
  return answer;
}

/** Log probabilities are equal to the last bit, which texts could be by luck. */
const GREEDY: Asked = { prompt: PROMPT, limits: { maxTokens: 60 }, logprobs: 1 };
const SEEDED: Asked = {
  prompt: PROMPT,
  logprobs: 1,
  limits: { maxTokens: 60 },
  sampling: {
    temperature: 0.9,
    topP: 0.9,
    topK: 40,
    presencePenalty: 0.5,
    frequencyPenalty: 0.3,
    repetitionPenalty: 1.1,
  },
  seed: "18446744073709551615",
};

/** The cut word is spelt again by the first tokens, which may fall on either side of the move. */
const HEALED: Asked = {
  ...SEEDED,
  healing: true,
  prompt: {
    sections: [{ role: "prefix", parts: [{ text: `${PROMPT}    whi` }] }],
    countOffset: 0,
    heal: { section: 0, bytes: 7, byDefault: true },
  },
};

describe.each([
  ["greedy", GREEDY],
  ["seeded, with penalties", SEEDED],
  ["healed", HEALED],
  ["grammatical", { ...SEEDED, grammar: { source: 'root ::= ([a-z]+ " ")* [0-9]', prefix: "" } }],
])("in deterministic mode a %s answer that moved to another process", (_name, asked) => {
  test("goes on to the same text from every token", async () => {
    const answer = await cutEverywhere(asked);

    expect(answer.completionTokens).toBe(60);
    expect(new Set(answer.generated).size).toBeGreaterThan(25);
  });

  test("ends at the same stop string, wherever in it the cut falls", async () => {
    const undisturbed = await textOf(asked);
    const { stop, tokens } = lateStop(undisturbed.texts);

    const answer = await cutEverywhere({ ...asked, limits: { maxTokens: 60, stopStrings: ["\u0000never", stop] } });

    expect(tokens).toBeGreaterThan(2);
    expect(answer).toMatchObject({ reason: "stop", text: undisturbed.text.slice(0, undisturbed.text.indexOf(stop)) });
  });

  test("ends at the same stop ids, wherever in them the cut falls", async () => {
    const { shown } = await textOf(asked);
    const sequence = shown.slice(30, 34);

    const answer = await cutEverywhere({ ...asked, limits: { maxTokens: 60, stopSequences: [sequence] } });

    expect(answer).toMatchObject({ reason: "stop" });
    expect(answer.shown).toEqual(shown.slice(0, answer.completionTokens));
    expect(answer.completionTokens).toBeLessThanOrEqual(30);
  });
});

test("several choices go on together, finished ones are not repeated", async () => {
  const scheduler = new TinyScheduler(tiny, {});
  const [first, second, third] = await scheduler.ask({ ...SEEDED, choices: [[], [], []] }).answers();

  const rest = await scheduler
    .ask({
      ...SEEDED,
      resumed: true,
      choices: [first?.generated.slice(0, 11) ?? [], null, third?.generated.slice(0, 40) ?? []],
    })
    .answers();

  expect(rest.map(({ generated }) => generated)).toEqual([first?.generated.slice(11), third?.generated.slice(40)]);
  expect(second?.generated).not.toEqual(first?.generated);
  await scheduler.idle();
  scheduler.dispose();
});

test("in default mode a moved answer goes on without gap or error", async () => {
  const answer = await cutEverywhere({ ...GREEDY, limits: { maxTokens: 30 } }, false);

  expect(answer.reason).toBe("length");
});

async function textOf(asked: Asked): Promise<Answer & { readonly texts: readonly string[] }> {
  const scheduler = new TinyScheduler(tiny, {});
  const request = scheduler.ask(asked);
  const answer = await request.answer();
  await scheduler.idle();
  scheduler.dispose();
  return { ...answer, texts: request.outputs.map((output) => output.text) };
}

/** A stretch of the text over more than two tokens, not at their borders, that occurs nowhere before. */
function lateStop(texts: readonly string[]): { stop: string; tokens: number } {
  const text = texts.join("");
  for (let first = 30; first < texts.length - 6; first += 1) {
    const start = texts.slice(0, first).join("").length + 1;
    const end = texts.slice(0, first + 4).join("").length - 1;
    const stop = text.slice(start, end);
    const whole = Buffer.from(stop).toString() === stop;
    if (whole && stop.length > 5 && text.indexOf(stop) === start) return { stop, tokens: 4 };
  }
  throw new Error("the text offers no stop string");
}
