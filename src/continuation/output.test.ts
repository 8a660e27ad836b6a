import fc from "fast-check";
import { expect, test } from "vitest";
import { collect, type DeltaPart, Fold, joined, type StartPart, type StreamPart, tokenCount } from "./output.ts";

const START: StartPart = { type: "start", model: "m", promptTokens: 5, truncatedTokens: 2, ignored: ["topK"] };

function logprob(text: string) {
  return { bytes: [...Buffer.from(text)], logprob: -1, top: [] };
}

async function* stream(parts: readonly StreamPart[]): AsyncGenerator<StreamPart> {
  yield* parts;
}

test("a whole answer is the fold of its stream", async () => {
  const parts: StreamPart[] = [
    START,
    { type: "echo", choice: 0, tokens: [{ bytes: [97], logprob: null }] },
    { type: "delta", choice: 1, text: "x", tokens: [7], logprobs: [logprob("x")] },
    { type: "delta", choice: 0, text: "", tokens: [1] },
    { type: "delta", choice: 0, text: "你好", tokens: [2, 3], logprobs: [logprob("你"), logprob("好")] },
    { type: "finish", choice: 0, reason: "stop" },
    { type: "delta", choice: 1, text: "y" },
    { type: "finish", choice: 1, reason: "content_filter", raw: "SAFETY" },
    { type: "usage", usage: { promptTokens: 5, completionTokens: 4, cachedPromptTokens: 1, source: "engine" } },
  ];

  expect(await collect(stream(parts))).toEqual({
    start: START,
    echo: [parts[1]],
    choices: [
      { text: "你好", tokens: [1, 2, 3], logprobs: [logprob("你"), logprob("好")], reason: "stop" },
      { text: "xy", tokens: [7], logprobs: [logprob("x")], reason: "content_filter", raw: "SAFETY" },
    ],
    usage: { promptTokens: 5, completionTokens: 4, cachedPromptTokens: 1, source: "engine" },
  });
});

test("interleaving choices and cutting texts never changes the answer", () => {
  const piece = fc.record({ choice: fc.nat(2), text: fc.string({ unit: "binary", maxLength: 4 }) });
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const fold = new Fold();
      fold.push(START);
      for (const { choice, text } of pieces) fold.push({ type: "delta", choice, text, tokens: [text.length] });

      const { choices } = fold.result();

      for (const [index, choice] of choices.entries()) {
        const own = pieces.filter((each) => each.choice === index);
        expect(choice.text).toBe(own.map((each) => each.text).join(""));
        expect(choice.tokens).toEqual(own.map((each) => each.text.length));
      }
      expect(fold.hasText).toBe(pieces.some(({ text }) => text !== ""));
    }),
    { numRuns: 300 },
  );
});

test("an answer that was cut short has what arrived, no reason, and an estimated usage", () => {
  const fold = new Fold();
  fold.push(START);
  fold.push({ type: "delta", choice: 1, text: "b", tokens: [1, 2] });

  const result = fold.result();

  expect(result.choices.map(({ text, reason }) => [text, reason])).toEqual([
    ["", null],
    ["b", null],
  ]);
  expect(result.usage).toEqual({ promptTokens: 5, completionTokens: 2, source: "estimate" });
});

test("a prompt whose tokens nobody told counts as what was guessed", () => {
  const { promptTokens: _, ...start } = START;
  const fold = new Fold({ choices: 3, promptTokens: 12 });
  fold.push(start);

  expect(fold.result().usage).toEqual({ promptTokens: 12, completionTokens: 0, source: "estimate" });
});

test("choices of which nothing has arrived are empty", () => {
  const fold = new Fold({ choices: 3, promptTokens: 0 });
  fold.push(START);
  fold.push({ type: "delta", choice: 1, text: "b", tokens: [2] });

  expect(fold.result().choices.map(({ text, reason }) => [text, reason])).toEqual([
    ["", null],
    ["b", null],
    ["", null],
  ]);
});

test("a later part does not change a result that was taken", () => {
  const fold = new Fold();
  fold.push(START);
  fold.push({ type: "delta", choice: 0, text: "a", tokens: [1] });
  const before = fold.result();
  const copy = structuredClone(before);

  fold.push({ type: "delta", choice: 0, text: "b", tokens: [2] });

  expect(before).toEqual(copy);
});

test("what the stream throws, collecting throws", async () => {
  async function* failing(): AsyncGenerator<StreamPart> {
    yield START;
    throw new Error("engine gone");
  }

  await expect(collect(failing())).rejects.toThrow("engine gone");
  await expect(collect(stream([]))).rejects.toThrow("before its start part");
});

test("deltas as one say the same as one by one", () => {
  const delta = fc.record(
    {
      type: fc.constant("delta" as const),
      choice: fc.constant(0),
      text: fc.string({ maxLength: 3 }),
      tokens: fc.array(fc.nat(), { maxLength: 3 }),
      logprobs: fc.array(fc.constantFrom("a", "b").map(logprob), { maxLength: 2 }),
    },
    { requiredKeys: ["type", "choice", "text"] },
  );
  fc.assert(
    fc.property(delta, fc.array(delta, { maxLength: 5 }), (first: DeltaPart, others: readonly DeltaPart[]) => {
      const all = [first, ...others];
      const one = joined([first, ...others]);
      const total = all.reduce((sum, each) => sum + tokenCount(each), 0);

      expect(tokenCount(one)).toBe(total);
      expect(one.tokens === undefined).toBe(all.some(({ tokens }) => tokens === undefined));
      expect(one.text).toBe(all.map(({ text }) => text).join(""));
      expect(one.logprobs ?? []).toEqual(all.flatMap(({ logprobs = [] }) => logprobs));
      if (one.tokens !== undefined) expect(one.tokens).toEqual(all.flatMap(({ tokens = [] }) => tokens));
    }),
  );
});
