import { expect, test } from "vitest";
import { logLikelihood, perplexityOf, scoredTexts } from "./perplexity.ts";

const answerOf = (logprobs: readonly (number | null)[], offsets: readonly number[]) => ({
  choices: [{ text: "", logprobs: { token_logprobs: logprobs, text_offset: offsets } }],
});

const DIALOGUE = {
  messages: ["Hi 春", "Ho", "Ha"].map((content, at) => ({ role: at === 1 ? "assistant" : "user", content })),
};

test.each([
  [{}, "Ha<|im_end|>"],
  [{ complete: false }, "Ha"],
])("of a dialogue the last message counts, with the end of its turn unless it was cut: %j", (over, counted) => {
  const [scored] = scoredTexts(Buffer.from(JSON.stringify({ ...DIALOGUE, ...over })));

  expect(scored?.text).toBe(
    `<|im_start|>user\nHi 春<|im_end|>\n<|im_start|>assistant\nHo<|im_end|>\n<|im_start|>user\n${counted}`,
  );
  expect([...(scored?.text ?? "")].slice(scored?.from).join("")).toBe(counted);
});

test("of a text all of it counts that has a log probability", () => {
  const [scored] = scoredTexts(Buffer.from('{"text":"abc"}'));

  expect(scored).toEqual({ text: "abc", from: 0 });
  expect(logLikelihood(answerOf([null, -1, -2], [0, 1, 2]), { text: "abc", from: 0 })).toEqual({
    tokens: 2,
    logprob: -3,
  });
  expect(logLikelihood(answerOf([null, -1, -2], [0, 1, 2]), { text: "abc", from: 2 })).toEqual({
    tokens: 1,
    logprob: -2,
  });
});

test("a model that gives every token one chance in four has perplexity 4", () => {
  const scores = [
    { tokens: 3, logprob: 3 * Math.log(1 / 4) },
    { tokens: 1, logprob: Math.log(1 / 4) },
  ];

  expect(perplexityOf(scores)).toEqual({ texts: 2, tokens: 4, perplexity: expect.closeTo(4, 10) });
});

test("a server that does not score prompts is told apart", () => {
  expect(() => logLikelihood({ choices: [{ text: "abc", logprobs: null }] }, { text: "abc", from: 0 })).toThrow(
    /no log probabilities of the prompt/,
  );
});
