import { expect, test } from "vitest";
import { loadNativeTiny } from "../../../../test/support/tiny-scheduler.ts";
import { PromptScorer } from "./prompt-scorer.ts";

const { model, vocabulary } = await loadNativeTiny();
const SIZE = model.facts.vocabularySize;

/** Logits 0 everywhere but for one token. */
function row(id: number, logit: number): Float32Array {
  const logits = new Float32Array(SIZE);
  logits[id] = logit;
  return logits;
}

const PROMPT = [65, 66, 67, 68];

test("a row scores the token after it; the first token has no score", () => {
  const scorer = new PromptScorer(model, PROMPT, 1);

  const done = scorer.take(0, 4, (position) => row(PROMPT[position + 1] ?? 0, 20));

  expect(done).toBe(true);
  expect(scorer.tokens).toHaveLength(4);
  expect(scorer.tokens[0]?.logprob).toBeNull();
  const likely = 20 - Math.log(Math.exp(20) + SIZE - 1);
  for (const each of scorer.tokens.slice(1)) {
    expect(each.logprob).toBeCloseTo(likely, 5);
    expect("top" in each ? each.top : []).toEqual([{ bytes: each.bytes, logprob: each.logprob }]);
  }
});

test("slices give what the whole gives", () => {
  const logits = (position: number) => row(position, position + 1);
  const whole = new PromptScorer(model, PROMPT, 2);
  const sliced = new PromptScorer(model, PROMPT, 2);
  whole.take(0, 4, logits);

  expect([sliced.take(0, 1, logits), sliced.take(1, 3, logits), sliced.take(3, 4, logits)]).toEqual([
    false,
    false,
    true,
  ]);
  expect(sliced.tokens).toEqual(whole.tokens);
});

test("no alternatives are reported when none are asked for", () => {
  const scorer = new PromptScorer(model, PROMPT, 0);
  scorer.take(0, 4, () => row(1, 1));

  for (const each of scorer.tokens.slice(1)) expect(each).toMatchObject({ top: [] });
});

test("tokens are spelt with their bytes, control tokens too", () => {
  const [lead, second] = [...model.encode({ text: "é" })];
  const control = vocabulary.ids.get("<|im_start|>");
  if (lead === undefined || second === undefined || control === undefined)
    throw new Error("the vocabulary has changed");
  const scorer = new PromptScorer(model, [lead, second, control], 0);
  scorer.take(0, 3, () => row(1, 1));

  expect(scorer.tokens.map(({ bytes }) => bytes)).toEqual([[0xc3], [0xa9], [...Buffer.from("<|im_start|>")]]);
});
