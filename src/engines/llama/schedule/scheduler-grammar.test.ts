import { afterAll, describe, expect, test } from "vitest";
import { type Asked, loadNativeTiny, TinyScheduler } from "../../../../test/support/tiny-scheduler.ts";

const tiny = await loadNativeTiny();
const scheduler = new TinyScheduler(tiny, { deterministic: false, slots: 4, slotTokens: 512 });
afterAll(async () => {
  await scheduler.idle();
  scheduler.dispose();
});

const LIST = 'root ::= "[" number (", " number){2,4} "]"\nnumber ::= "-"? [1-9] [0-9]{0,3}';
const LIST_TEXT = /^\[-?[1-9][0-9]{0,3}(, -?[1-9][0-9]{0,3}){2,4}\]$/;

function asking(source: string, rest: Asked & { readonly prefix?: string } = {}) {
  const { prefix = "", ...asked } = rest;
  return scheduler.ask({ limits: { maxTokens: 80 }, ...asked, grammar: { source, prefix } });
}

describe("an answer within a grammar", () => {
  test.each([
    ["greedy", { temperature: 0 }],
    ["drawn", { temperature: 1.5 }],
    ["drawn from few", { temperature: 1, topK: 5, topP: 0.9, minP: 0.01 }],
    ["penalized", { temperature: 0, repetitionPenalty: 0.7, presencePenalty: 1 }],
  ])("matches all of it and ends by itself: %s", async (_name, sampling) => {
    for (const seed of ["1", "2", "3", "4", "5"]) {
      const { text, reason } = await asking(LIST, { sampling, seed }).answer();

      expect(text).toMatch(LIST_TEXT);
      expect(reason).toBe("stop");
    }
  });

  test("may hold any character, whole or split over tokens", async () => {
    const { text } = await asking('root ::= "“" [一-龥🎉-🎊]{6} "”"', { sampling: { temperature: 1 } }).answer();

    expect(text).toMatch(/^“[一-龥🎉-🎊]{6}”$/u);
  });

  test("never holds a control token in place of its spelling", async () => {
    const ids = [...tiny.vocabulary.ids].flatMap(([token, id]) => (token.startsWith("<|") ? [id] : []));
    const logitBias = ids.map((id) => [id, 50] as const);
    const { text, shown } = await asking("root ::= [a-z<|_> ]{30}", { logitBias }).answer();

    expect(text).toMatch(/^[a-z<|_> ]{30}$/);
    expect(shown.some((id) => ids.includes(id))).toBe(false);
  });

  test("goes on behind the assistant prefix", async () => {
    const { text } = await asking(LIST, { prompt: "numbers: [12, -", prefix: "[12, -" }).answer();

    expect(`[12, -${text}`).toMatch(LIST_TEXT);
  });

  test("goes on behind a prefix whose last word is healed", async () => {
    const prefix = '{"name": "peop';
    const prompt = {
      sections: [{ role: "prefix", parts: [{ text: `The answer is ${prefix}` }] }],
      countOffset: 0,
      heal: { section: 0, bytes: prefix.length, byDefault: true },
    } as const;
    const source = 'root ::= "{" "\\"name\\": \\"" [a-z ]{6,12} "\\"" "}"';
    const { text } = await asking(source, { prompt, prefix, healing: true }).answer();

    expect(prefix + text).toMatch(/^\{"name": "[a-z ]{6,12}"\}$/);
  });

  test("is the same with drafts", async () => {
    const source = 'root ::= ("water and light, ")+ "end"';
    // A penalty below 1 makes random weights sure of what they have read.
    const sampling = { temperature: 0, repetitionPenalty: 0.7 };
    const asked: Asked = { prompt: "water and light, ".repeat(6), sampling };
    const plain = await asking(source, asked).answer();
    const drafting = asking(source, { ...asked, speculation: true });

    expect((await drafting.answer()).generated).toEqual(plain.generated);
    expect(drafting.outputs.some(({ drafted }) => (drafted?.accepted ?? 0) > 0)).toBe(true);
  });

  test("is one of several, each its own", async () => {
    const answers = await asking(LIST, { choices: [[], [], []], sampling: { temperature: 1.5 } }).answers();

    for (const { text } of answers) expect(text).toMatch(LIST_TEXT);
    expect(new Set(answers.map(({ text }) => text)).size).toBeGreaterThan(1);
  });

  test("is cut by the limit like any other", async () => {
    const { reason, generated } = await asking("root ::= [a-z]*", { limits: { maxTokens: 7 } }).answer();

    expect({ reason, length: generated.length }).toEqual({ reason: "length", length: 7 });
  });

  test("can be aborted while it waits and while it runs", async () => {
    const running = Array.from({ length: 4 }, () => asking("root ::= [a-z]*", { limits: { maxTokens: 400 } }));
    const waiting = asking("root ::= [a-z]*");
    await running[0]?.generated(2);
    for (const each of [...running, waiting]) scheduler.scheduler.abort(each.id);

    expect((await asking(LIST).answer()).text).toMatch(LIST_TEXT);
  });
});

describe("a request is refused", () => {
  test.each([
    ["no rule root", "list ::= [a-z]", /there is no rule "root"/],
    ["an unknown rule", "root ::= other", /line 1, column 10: there is no rule "other"/],
    ["an open bracket", "root ::= [a-z", /line 1, column 10: this "\[" has no "\]"/],
    ["a loop", "root ::= root", /the rule "root" begins with itself \(root → root\)/],
    ["nothing", "", /there is no rule "root"/],
    ["bytes", "root ::= \0\u0001", /line 1, column 10: .* found U\+0000/],
    ["a deep nest", `root ::= ${"(".repeat(30_000)}`, /column 210: parentheses are nested deeper than 200/],
    ["a large one", 'root ::= a{9999}\na ::= (b{999}){999}\nb ::= ""', /with the rule "a" it comes to/],
  ])("when its grammar is none: %s", async (_name, source, message) => {
    const request = asking(source);
    await expect(request.answer()).rejects.toThrow(message);
    expect(request.refused?.message).toMatch(/^Invalid grammar: /);
    expect(request.refused).toMatchObject({ code: "invalid_parameter", param: "grammar" });
  });

  test("when the assistant prefix contradicts the grammar", async () => {
    const request = asking(LIST, { prompt: "[a", prefix: "[a" });
    await expect(request.answer()).rejects.toThrow(/assistant prefix is no beginning/);
    expect(request.refused).toMatchObject({ code: "invalid_parameter", param: "messages" });
  });
});
