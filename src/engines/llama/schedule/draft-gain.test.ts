import { describe, expect, test } from "vitest";
import { type DraftText, draftTexts, wordsOf } from "../../../../test/support/draft-texts.ts";
import { Drafter } from "../pick/draft.ts";
import { allot, MOST_ROWS } from "./allot.ts";
import { type StepCost, USUAL_COST } from "./step-cost.ts";

/** What a processor with instructions for matrices was seen to need: eight rows are hardly dearer than one. */
const FLAT: StepCost = { of: (rows) => (rows <= 8 ? 1 + 0.12 * (rows - 1) : 1.84 + 0.12 * (rows - 8)) };
/** Every row costs as much as a step of its own: no draft can pay. */
const STEEP: StepCost = { of: (rows) => rows };

/** Steps, rows and cost of an answer that is known, with drafts; a step without costs 1. */
function simulated({ prompt, answer }: DraftText, cost: StepCost) {
  const ids = new Map<string, number>();
  const idOf = (word: string): number => ids.get(word) ?? ids.set(word, ids.size).size - 1;
  const tokens = wordsOf(prompt).map(idOf);
  const coming = wordsOf(answer).map(idOf);
  const drafter = new Drafter(
    { tokens: [...tokens], tail: [], promptTokens: 0, truncatedTokens: 0 },
    () => false,
    true,
  );
  const seen = { steps: 0, rows: 0, cost: 0, drafted: 0, tokens: coming.length };
  for (let at = 0; at < coming.length; ) {
    const draft = drafter.propose(tokens, Math.min(MOST_ROWS, coming.length - at - 1));
    const [count = 0] = allot([draft.odds], 1, cost);
    let taken = 0;
    while (taken < count && draft.tokens[taken] === coming[at + taken]) taken += 1;
    tokens.push(...coming.slice(at, at + taken + 1));
    at += taken + 1;
    seen.steps += 1;
    seen.rows += 1 + count;
    seen.drafted += count;
    seen.cost += cost.of(1 + count);
  }
  return { ...seen, faster: coming.length / seen.cost };
}

const texts = draftTexts();

describe.each([
  ["dear", USUAL_COST, 2.3, 1.3],
  ["cheap", FLAT, 6, 2.5],
] as const)("on a machine where more rows are %s", (_, cost, copy, edited) => {
  test.each(texts.map((text) => [text.kind, text] as const))("%s is not slower with drafts", (_kind, text) => {
    expect(simulated(text, cost).faster).toBeGreaterThan(0.98);
  });

  test("copies are as much faster as they should be", () => {
    const [verbatim, changed] = texts.map((text) => simulated(text, cost).faster);

    expect(verbatim).toBeGreaterThan(copy);
    expect(changed).toBeGreaterThan(edited);
  });
});

test("nothing is drafted where no draft can pay", () => {
  expect(texts.map((text) => simulated(text, STEEP).drafted)).toEqual(texts.map(() => 0));
});

test("drafts come back when a text begins to repeat itself", () => {
  const [copied] = texts;
  const random = texts.at(-1);
  if (copied === undefined || random === undefined) throw new Error("no texts");
  const both = { kind: "both", prompt: copied.prompt + random.prompt, answer: random.answer + copied.answer };
  const alone = simulated(copied, USUAL_COST).cost;

  expect(simulated(both, USUAL_COST).cost).toBeLessThan(wordsOf(random.answer).length + 1.1 * alone);
});
