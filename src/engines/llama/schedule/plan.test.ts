import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadNativeTiny, taskOf } from "../../../../test/support/tiny-scheduler.ts";
import { nextCut } from "./blocks.ts";
import { isUrgent, type Plan, Planner, type PlannerOptions, planAlone } from "./plan.ts";
import { SliceSizer } from "./slice.ts";
import { emptySlot, type Slot } from "./slot.ts";
import { USUAL_COST } from "./step-cost.ts";

const tiny = await loadNativeTiny();
const CAPACITY = 576;
const BLOCK = 64;

interface Work {
  readonly prompt: number;
  /** Tokens of prompt and answer that the slot holds. */
  readonly done?: number;
  readonly generated?: number;
  readonly lane?: "interactive" | "batch";
  readonly arrivedMs?: number;
  readonly paused?: boolean;
  readonly scores?: boolean;
}

function slotsOf(...work: readonly (Work | undefined)[]): readonly Slot[] {
  return work.map((each, index) => {
    if (each === undefined) return emptySlot(index);
    const { prompt, done = 0, generated = 0, lane = "batch", arrivedMs = 0, paused = false, scores = false } = each;
    const tokens = Array.from({ length: prompt }, (_, position) => position % 250);
    const task = taskOf(tiny, tokens, {
      lane,
      arrivedMs,
      replay: Array.from({ length: generated }, () => 65),
      promptLogprobs: scores,
    });
    task.paused = paused;
    return { ...emptySlot(index), tokens: task.tokens.slice(0, done), task };
  });
}

/** Slot, start and end of every span, in order. */
function spans(plan: Plan): readonly (readonly [slot: number, start: number, end: number])[] {
  return plan.spans.map(({ slot, start, end }) => [slot.index, start, end]);
}

function options(sizer = new SliceSizer()): PlannerOptions {
  return { capacity: CAPACITY, slotTokens: 4096, blockTokens: BLOCK, sizer, cost: USUAL_COST };
}

/** The first step of a planner. */
function step(slots: readonly Slot[], nowMs = 0): Plan {
  return new Planner(options()).step(slots, nowMs);
}

/** So many steps, each of which is carried out. */
function steps(slots: readonly Slot[], count: number, nowMs = 0): readonly (readonly [number, number, number][])[] {
  const planner = new Planner(options());
  return Array.from({ length: count }, () => {
    const plan = planner.step(slots, nowMs);
    for (const { slot, task, start, end } of plan.spans) {
      slot.tokens.push(...task.tokens.slice(start, end));
      if (end === task.tokens.length) slot.task = undefined;
    }
    return spans(plan).map(([slot, start, end]) => [slot, start, end] as [number, number, number]);
  });
}

describe("a step of many", () => {
  test("is a row for every running answer, or blocks of one prompt, in turns", () => {
    const slots = slotsOf(
      { prompt: 10, done: 12, generated: 3 },
      { prompt: 300 },
      { prompt: 5, done: 5, generated: 1 },
    );
    const planner = new Planner(options());

    const prompt = planner.step(slots, 0);
    const answers = planner.step(slotsOf({ prompt: 10, done: 12, generated: 3 }, { prompt: 300, done: 128 }), 0);

    expect(spans(prompt)).toEqual([[1, 0, 128]]);
    expect(prompt.rows.every(({ sequence, output }) => sequence === 1 && !output)).toBe(true);
    expect(spans(answers)).toEqual([[0, 12, 13]]);
    expect(answers.rows[0]).toEqual({ token: 65, position: 12, sequence: 0, output: true });
  });

  test("goes on with short prompts until the answers have waited for as many tokens as they may", () => {
    const slots = slotsOf({ prompt: 4, done: 4, generated: 1 }, { prompt: 60 }, { prompt: 60 }, { prompt: 60 });

    // 32, 16 and 8 of a prompt, then its last four; 128 tokens in all before the answer has its row.
    const all = steps(slots, 10).flat();

    const before = all.slice(
      0,
      all.findIndex(([slot]) => slot === 0),
    );
    expect(before.reduce((sum, [, start, end]) => sum + end - start, 0)).toBe(120);
  });

  test("takes the shortest remaining prompt first, each up to one of its cuts", () => {
    expect(steps(slotsOf({ prompt: 100 }, { prompt: 300, done: 288 }, { prompt: 20 }), 7)).toEqual([
      [[1, 288, 296]],
      [[1, 296, 300]],
      [[2, 0, 16]],
      [[2, 16, 20]],
      [[0, 0, 64]],
      [[0, 64, 96]],
      [[0, 96, 100]],
    ]);
  });

  test("takes the interactive lane first, and what has waited five seconds like it", () => {
    const work = [{ prompt: 16 }, { prompt: 200, lane: "interactive", arrivedMs: 4_000 }] as const;

    expect(spans(step(slotsOf(...work), 4_999))).toEqual([[1, 0, 128]]);
    expect(spans(step(slotsOf(...work), 5_000))).toEqual([[0, 0, 16]]);
  });

  test("gives a quarter to the prompt that came first, so that short ones cannot starve it", () => {
    const busy = Array.from({ length: 8 }, (_, index) => ({
      prompt: 64,
      lane: "interactive" as const,
      arrivedMs: index + 1,
    }));

    const order = steps(slotsOf({ prompt: 1000 }, ...busy), 8).map(([span]) => span?.[0]);

    expect(order).toEqual([1, 2, 3, 0, 4, 5, 6, 0]);
  });

  test("leaves out what is paused", () => {
    expect(
      spans(step(slotsOf({ prompt: 10, paused: true }, { prompt: 4, done: 4, generated: 1, paused: true }))),
    ).toEqual([]);
  });

  test("wants logits of the last token only, or of the whole prompt when it is scored", () => {
    const wanted = (plan: Plan) => plan.rows.map(({ output }) => output);

    expect(wanted(step(slotsOf({ prompt: 4 })))).toEqual([false, false, false, true]);
    expect(wanted(step(slotsOf({ prompt: 4, scores: true })))).toEqual([true, true, true, true]);
  });

  test("replays what a request had generated in an earlier process behind its prompt", () => {
    expect(steps(slotsOf({ prompt: 3, generated: 4 }), 2)).toEqual([[[0, 0, 3]], [[0, 3, 7]]]);
  });

  test("never exceeds the batch, always brings somebody on, and cuts a prompt where its length says", () => {
    const work = fc
      .record({
        prompt: fc.integer({ min: 1, max: 700 }),
        generated: fc.nat(3),
        part: fc.double({ min: 0, max: 1, noNaN: true }),
      })
      .map(({ prompt, generated, part }) => {
        const at = Math.floor(part * (prompt + generated - 1));
        let done = 0;
        for (let cut = 0; cut < prompt && cut <= at; cut = nextCut(cut, prompt, BLOCK)) done = cut;
        return { prompt, generated, done: at >= prompt ? at : done };
      });
    const meta = fc.record({
      lane: fc.constantFrom("interactive" as const, "batch" as const),
      arrivedMs: fc.nat(9_000),
    });
    fc.assert(
      fc.property(fc.array(fc.tuple(work, meta), { minLength: 1, maxLength: 8 }), (all) => {
        const slots = slotsOf(...all.map(([each, about]) => ({ ...each, ...about })));

        const plan = step(slots, 9_000);

        expect(plan.rows.length).toBeGreaterThan(0);
        expect(plan.rows.length).toBeLessThanOrEqual(CAPACITY);
        expect(new Set(plan.spans.map(({ slot }) => slot)).size).toBe(plan.spans.length);
        let row = 0;
        for (const { slot, task, start, end, firstRow } of plan.spans) {
          expect([start, firstRow]).toEqual([slot.tokens.length, row]);
          expect(end).toBeLessThanOrEqual(task.tokens.length);
          row += end - start;
          if (start >= task.promptLength) continue;
          expect(plan.spans).toHaveLength(1);
          let cut = start;
          while (cut < end) cut = nextCut(cut, task.promptLength, BLOCK);
          expect(cut).toBe(end);
        }
        expect(row).toBe(plan.rows.length);
      }),
      { numRuns: 300 },
    );
  });
});

describe("a step of one", () => {
  function alone(slots: readonly Slot[], turns: ReadonlyMap<Slot, number> = new Map()): Plan {
    return planAlone(slots, turns, options());
  }

  test("is blocks while the prompt lasts, then a row at a time", () => {
    const at = (done: number, generated = 0) => spans(alone(slotsOf({ prompt: 300, done, generated })))[0];

    expect([at(0), at(128), at(256), at(288), at(300, 2), at(301, 2)]).toEqual([
      [0, 0, 128],
      [0, 128, 256],
      [0, 256, 288],
      [0, 288, 296],
      [0, 300, 301],
      [0, 301, 302],
    ]);
  });

  test("fits into a batch, however large the blocks are", () => {
    const large = { ...options(), blockTokens: 512 };

    expect(spans(planAlone(slotsOf({ prompt: 2_000 }), new Map(), large))).toEqual([[0, 0, 512]]);
  });

  test("is for the slot served longest ago", () => {
    const slots = slotsOf({ prompt: 3 }, undefined, { prompt: 3 }, { prompt: 3, paused: true });
    const [first, , third, paused] = slots;
    if (first === undefined || third === undefined || paused === undefined) throw new Error("no slots");
    const turns = new Map([
      [first, 5],
      [third, 4],
      [paused, 1],
    ]);

    expect(spans(alone(slots))[0]?.[0]).toBe(0);
    expect(spans(alone(slots, turns))[0]?.[0]).toBe(2);
    expect(alone(slotsOf(undefined)).rows).toEqual([]);
  });
});

test("a batch request becomes urgent after five seconds", () => {
  const batch = taskOf(tiny, [1], { arrivedMs: 100 });

  expect(isUrgent(batch, 5_099)).toBe(false);
  expect(isUrgent(batch, 5_100)).toBe(true);
  expect(isUrgent(taskOf(tiny, [1], { lane: "interactive", arrivedMs: 100 }), 100)).toBe(true);
});
