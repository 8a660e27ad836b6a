import { expect, test } from "vitest";
import { AWAY, byHeart, letters, NEVER, pool, request, thinking } from "../../test/support/pooling.ts";
import { type Script, startPart, usagePart } from "../../test/support/scripted-engine.ts";
import { collect, type StreamPart } from "../continuation/output.ts";

const HEDGE = { after: { ms: 300 }, share: 1 } as const;

/** Dies while it thinks. */
const brokenThought = (tokens: number): Script => {
  return () => [startPart(), ...thinking(tokens), usagePart(tokens), AWAY];
};

test("an answer that broke off within its hidden thought begins anew, with its whole budget, and the thought is charged", async () => {
  const { pool: both, engines, events } = pool([brokenThought(6), byHeart("upon")]);
  const asked = request({ limits: { ...request().limits, maxTokens: 8 } });
  const { choices, usage } = await collect(both.generate(asked, NEVER));

  expect(choices[0]).toMatchObject({ text: "upon", reason: "stop" });
  expect(engines[1]?.calls[0]?.request).toEqual({ ...asked, attempt: "retry" });
  expect(usage).toEqual({ promptTokens: 3, completionTokens: 10, source: "engine" });
  expect(events).toEqual([{ from: "r0", to: "r1", reason: "nobody answers", sentTokens: 0 }]);
  expect(both.poolStats()).toMatchObject({ retries: 1, resumes: 0 });
});

test.each<[string, Parameters<typeof request>[0]]>([
  ["several choices", { choices: 2 }],
  ["a grammar", { shape: { gbnf: "root ::= [a-z]+" } }],
])("%s begin anew behind a hidden thought too", async (_, over) => {
  const { pool: both } = pool([brokenThought(2), byHeart("upon")]);

  expect((await collect(both.generate(request(over), NEVER))).choices[0]?.text).toBe("upon");
});

test("where all fail while they think, what they generated is charged", async () => {
  const { pool: both } = pool([brokenThought(6), brokenThought(2)]);
  const parts: StreamPart[] = [];
  const reading = async (): Promise<void> => {
    for await (const part of both.generate(request(), NEVER)) parts.push(part);
  };

  await expect(reading()).rejects.toBe(AWAY);
  expect(parts.at(-1)).toMatchObject({ type: "usage", usage: { promptTokens: 3, completionTokens: 8 } });
});

test("a resumed answer pays for the thought in front of its text, not for one behind which nothing was shown", async () => {
  const thoughtThenText: Script = () => [startPart(), ...thinking(3), ...letters("up"), usagePart(5), AWAY];
  const scripts = [brokenThought(4), thoughtThenText, byHeart("upon")];
  const { pool: three, engines } = pool(scripts);
  const { choices, usage } = await collect(three.generate(request(), NEVER));

  expect(choices[0]?.text).toBe("upon");
  expect(engines[2]?.calls[0]?.request).toMatchObject({
    limits: { maxTokens: 5 },
    answered: { units: 2, tokens: [117, 112] },
  });
  expect(usage).toMatchObject({ completionTokens: 4 + 5 + 2 });
});

test("a hedge is won with text that is shown: a thought is none", async () => {
  let thoughtFirst = (): void => {};
  const after = (_: number, callback: () => void) => {
    thoughtFirst = callback;
    return () => {};
  };
  const never = new Promise<void>(() => {});
  const thinker: Script = function* () {
    yield startPart();
    yield* thinking(4);
    yield Promise.resolve().then(() => thoughtFirst());
    yield never;
  };
  const { pool: both } = pool([thinker, byHeart("upon")], { hedge: HEDGE, after });
  const { choices, usage } = await collect(both.generate(request({ interactive: true }), NEVER));

  expect(choices[0]).toMatchObject({ text: "upon", reason: "stop" });
  expect(usage).toEqual({ promptTokens: 4, completionTokens: 4, source: "engine" });
  expect(both.poolStats()).toMatchObject({ hedges: 1, hedgeWins: 1 });
});
