import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadNativeTiny, taskOf } from "../../../test/support/tiny-scheduler.ts";
import { isUrgent, type Plan, planAlone, planStep } from "./plan.ts";
import { SliceSizer } from "./slice.ts";
import type { Slot } from "./slot.ts";

const tiny = await loadNativeTiny();
const CAPACITY = 576;

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
    if (each === undefined) return { index, tokens: [], task: undefined, usedMs: 0 };
    const { prompt, done = 0, generated = 0, lane = "batch", arrivedMs = 0, paused = false, scores = false } = each;
    const tokens = Array.from({ length: prompt }, (_, position) => position % 250);
    const task = taskOf(tiny, tokens, {
      lane,
      arrivedMs,
      replay: Array.from({ length: generated }, () => 65),
      promptLogprobs: scores,
    });
    task.paused = paused;
    return { index, tokens: task.tokens.slice(0, done), task, usedMs: 0 };
  });
}

/** Slot, start and end of every span, in order. */
function spans(plan: Plan): readonly (readonly [slot: number, start: number, end: number])[] {
  return plan.spans.map(({ slot, start, end }) => [slot.index, start, end]);
}

function step(slots: readonly Slot[], nowMs = 0, sizer = new SliceSizer()): Plan {
  return planStep(slots, { capacity: CAPACITY, slotTokens: 4096 }, sizer, nowMs);
}

describe("a step of many", () => {
  test("has a row for every running answer, then prompt tokens", () => {
    const plan = step(
      slotsOf({ prompt: 10, done: 12, generated: 3 }, { prompt: 300 }, { prompt: 5, done: 5, generated: 1 }),
    );

    expect(spans(plan)).toEqual([
      [0, 12, 13],
      [2, 5, 6],
      [1, 0, 128],
    ]);
    expect(plan.rows[0]).toEqual({ token: 65, position: 12, sequence: 0, output: true });
    expect(plan.rows.slice(2).every(({ sequence, output }) => sequence === 1 && !output)).toBe(true);
  });

  test("takes the shortest remaining prompt first", () => {
    expect(spans(step(slotsOf({ prompt: 100 }, { prompt: 300, done: 270 }, { prompt: 20 })))).toEqual([
      [2, 0, 20],
      [1, 270, 300],
      [0, 0, 78],
    ]);
  });

  test("takes the interactive lane first, and what has waited five seconds like it", () => {
    const work = [{ prompt: 20 }, { prompt: 200, lane: "interactive", arrivedMs: 4_000 }] as const;

    expect(spans(step(slotsOf(...work), 4_999))[0]).toEqual([1, 0, 96]);
    expect(spans(step(slotsOf(...work), 5_000))[0]).toEqual([0, 0, 20]);
  });

  test("keeps a quarter of the slice for the prompt that came first, so that short ones cannot starve it", () => {
    const busy = [1, 2, 3].map((arrivedMs) => ({ prompt: 60, lane: "interactive" as const, arrivedMs }));

    expect(spans(step(slotsOf({ prompt: 1000 }, ...busy)))).toEqual([
      [1, 0, 60],
      [2, 0, 36],
      [0, 0, 32],
    ]);
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

  test("replays what a request had generated in an earlier process together with its prompt", () => {
    const plan = step(slotsOf({ prompt: 3, generated: 4 }));

    expect(spans(plan)).toEqual([[0, 0, 7]]);
    expect(plan.rows.filter(({ output }) => output)).toEqual([expect.objectContaining({ position: 6 })]);
  });

  test("never exceeds the batch, starts where each slot ends, and always brings somebody on", () => {
    const work = fc
      .record({
        prompt: fc.integer({ min: 1, max: 700 }),
        generated: fc.nat(3),
        part: fc.double({ min: 0, max: 1, noNaN: true }),
      })
      .map(({ prompt, generated, part }) => ({
        prompt,
        generated,
        done: Math.floor(part * (prompt + generated - 1)),
      }));
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
          expect(end).toBeGreaterThan(start);
          expect(end).toBeLessThanOrEqual(task.tokens.length);
          row += end - start;
        }
        expect(row).toBe(plan.rows.length);
      }),
      { numRuns: 300 },
    );
  });
});

describe("a step of one", () => {
  test("is a slice from a fixed place while the prompt lasts, then a row at a time", () => {
    const at = (done: number, generated = 0) =>
      spans(planAlone(slotsOf({ prompt: 300, done, generated }), new Map()))[0];

    expect([at(0), at(128), at(256), at(300, 2), at(301, 2)]).toEqual([
      [0, 0, 128],
      [0, 128, 256],
      [0, 256, 300],
      [0, 300, 301],
      [0, 301, 302],
    ]);
  });

  test("is for the slot served longest ago", () => {
    const slots = slotsOf({ prompt: 3 }, undefined, { prompt: 3 }, { prompt: 3, paused: true });
    const [first, , third, paused] = slots;
    if (first === undefined || third === undefined || paused === undefined) throw new Error("no slots");

    expect(spans(planAlone(slots, new Map()))[0]?.[0]).toBe(0);
    expect(
      spans(
        planAlone(
          slots,
          new Map([
            [first, 5],
            [third, 4],
            [paused, 1],
          ]),
        ),
      )[0]?.[0],
    ).toBe(2);
    expect(planAlone(slotsOf(undefined), new Map()).rows).toEqual([]);
  });
});

test("a batch request becomes urgent after five seconds", () => {
  const batch = taskOf(tiny, [1], { arrivedMs: 100 });

  expect(isUrgent(batch, 5_099)).toBe(false);
  expect(isUrgent(batch, 5_100)).toBe(true);
  expect(isUrgent(taskOf(tiny, [1], { lane: "interactive", arrivedMs: 100 }), 100)).toBe(true);
});
