import { describe, expect, test } from "vitest";
import { loadNativeTiny, taskOf } from "../../../../test/support/tiny-scheduler.ts";
import type { GenerateMessage } from "../wire/messages.ts";
import { MOST_ROWS } from "./allot.ts";
import { Planner } from "./plan.ts";
import { SliceSizer } from "./slice.ts";
import { emptySlot, type Slot } from "./slot.ts";
import { type StepCost, USUAL_COST } from "./step-cost.ts";

const tiny = await loadNativeTiny();
const FREE: StepCost = { of: () => 1 };
const STEEP: StepCost = { of: (rows) => rows };

const PASSAGE = Array.from({ length: 200 }, (_, index) => index % 250);

/** An answer that has copied the beginning of its prompt, and all but its last token evaluated. */
function copying(index: number, over: Partial<GenerateMessage> = {}, copied = 40): Slot {
  const task = taskOf(tiny, [...PASSAGE, 0], { speculation: true, replay: PASSAGE.slice(1, copied), ...over });
  return { ...emptySlot(index), tokens: task.tokens.slice(0, -1), task };
}

/** Drafted tokens by answer. */
function drafted(
  cost: StepCost,
  slots: readonly Slot[],
  { capacity = 576, slotTokens = 4_096 } = {},
): readonly number[] {
  const planner = new Planner({ capacity, slotTokens, blockTokens: 64, sizer: new SliceSizer(), cost });
  return planner.step(slots, 0).spans.map(({ draft }) => draft.tokens.length);
}

describe("what a step drafts", () => {
  test("is as much as pays: all that fits where rows are free, nothing where they are too dear", () => {
    const both = [copying(0), copying(1)];

    expect(drafted(FREE, both).reduce((a, b) => a + b)).toBe(MOST_ROWS - 2);
    expect(drafted(STEEP, both)).toEqual([0, 0]);
  });

  test("is nothing for requests that want none", () => {
    expect(drafted(FREE, [copying(0, { speculation: false })])).toEqual([0]);
  });

  test("does not depend on the speed of the machine for an answer alone, so that it is said again as it was", () => {
    const usual = drafted(USUAL_COST, [copying(0)]);

    expect(usual[0]).toBeGreaterThan(8);
    expect(drafted(FREE, [copying(0)])).toEqual(usual);
    expect(drafted(STEEP, [copying(0)])).toEqual(usual);
  });

  test("fits into the slot and into a batch", () => {
    const held = copying(0).tokens.length;

    expect(drafted(FREE, [copying(0)], { slotTokens: held + 12 })[0]).toBeLessThanOrEqual(10);
    expect(drafted(FREE, [copying(0)], { slotTokens: held + 2 })).toEqual([0]);
    expect(drafted(FREE, [copying(0), copying(1)], { capacity: 8 }).reduce((a, b) => a + b)).toBe(6);
  });

  test("does not slow down an answer that copies nothing", () => {
    expect(drafted(USUAL_COST, [copying(0), copying(1, { speculation: false })])).toEqual([0, 0]);
    expect(drafted(USUAL_COST, [copying(0), copying(1)]).every((count) => count > 4)).toBe(true);
  });
});
