import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadNativeTiny, taskOf } from "../../../../test/support/tiny-scheduler.ts";
import { nextCut } from "./blocks.ts";
import { emptySlot, place, type Slot } from "./slot.ts";

const tiny = await loadNativeTiny();
const BUSY = taskOf(tiny, [1]);

const BLOCK = 64;

/** @param prompt length of the prompt whose blocks the slot holds, before an answer. Default: all tokens. */
function slots(
  ...held: readonly { tokens?: readonly number[]; prompt?: number; usedMs?: number; busy?: boolean }[]
): readonly Slot[] {
  return held.map(({ tokens = [], prompt = tokens.length, usedMs = 0, busy = false }, index) => ({
    ...emptySlot(index),
    tokens: [...tokens],
    cuts: cuts(prompt),
    task: busy ? BUSY : undefined,
    usedMs,
  }));
}

function cuts(length: number): number[] {
  const all: number[] = [];
  for (let at = 0; at < length; ) {
    at = nextCut(at, length, BLOCK);
    all.push(at);
  }
  return all;
}

const count = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index);
const P40 = count(0, 40);

function placed(among: readonly Slot[], tokens: number[]) {
  const placement = place(among, { tokens, promptLength: tokens.length }, BLOCK);
  return placement && [placement.slot.index, placement.keep, placement.donor?.index];
}

test("the idle slot with the longest prefix in whole blocks is taken, however recently it was used", () => {
  const among = slots({ usedMs: 1 }, { tokens: count(0, 140), usedMs: 9 }, { tokens: count(0, 70), usedMs: 2 });

  expect(placed(among, count(0, 200))).toEqual([1, 128, undefined]);
});

test("pieces of a block count where both prompts are cut alike", () => {
  const among = slots({ tokens: count(0, 110) });

  // 64, 96 and 104 are cuts of both; 110 is where the old one ends.
  expect(placed(among, count(0, 111))).toEqual([0, 104, undefined]);
  // A prompt of 120 tokens is cut at 64, 96, 112.
  expect(placed(among, count(0, 120))).toEqual([0, 96, undefined]);
});

test("of an answer in the slot nothing is used, though the prompt goes on with it", () => {
  expect(placed(slots({ tokens: count(0, 140), prompt: 70 }), count(0, 200))).toEqual([0, 64, undefined]);
});

test("a short common prefix is not worth another slot's state: the oldest goes", () => {
  const among = slots({ tokens: count(0, 26), usedMs: 5 }, { tokens: [7, 7], usedMs: 1 });

  expect(placed(among, count(0, 27))).toEqual([1, 0, undefined]);
});

test("what the oldest slot happens to hold is kept", () => {
  expect(placed(slots({ tokens: [...count(0, 9), 77], usedMs: 1 }), count(0, 12))).toEqual([0, 8, undefined]);
});

describe("what a prompt only begins like stays where it is, and its beginning is copied to the oldest slot", () => {
  const other = [...count(0, 130), ...count(5000, 5700)];

  test("when another text goes on behind it", () => {
    const among = slots({ tokens: other, usedMs: 5 }, { usedMs: 1 });

    expect(placed(among, count(0, 800))).toEqual([1, 128, 0]);
  });

  test("unless the oldest holds that beginning too", () => {
    const among = slots({ tokens: other, usedMs: 5 }, { tokens: [...count(0, 130), 7, 7], usedMs: 1 });

    expect(placed(among, count(0, 800))).toEqual([1, 128, undefined]);
  });

  test("but a slot whose prompt is hardly longer is taken, however long its answer", () => {
    const among = slots({ tokens: count(0, 900), prompt: 150, usedMs: 5 }, { usedMs: 1 });

    expect(placed(among, [...count(0, 130), ...count(5000, 5700)])).toEqual([0, 128, undefined]);
  });

  test("but one with an earlier state of the same text is taken, evaluated to the end or not", () => {
    const [before, behind] = [count(0, 130), count(1000, 2000)];
    const typed = [...before, 7, 7, 7, ...behind];

    for (const tokens of [[...before, ...behind], [...before, 7, ...behind].slice(0, 640)]) {
      expect(placed(slots({ tokens, usedMs: 5 }, { usedMs: 1 }), typed)).toEqual([0, 128, undefined]);
    }
  });

  test("of slots with the same beginning the one that loses least is taken", () => {
    const among = slots({ tokens: other, usedMs: 5 }, { tokens: count(0, 140), usedMs: 6 }, { usedMs: 1 });

    expect(placed(among, count(0, 800).with(135, 7))).toEqual([1, 128, undefined]);
  });
});

test("a longer prefix of a busy slot is shared", () => {
  const among = slots({ tokens: count(0, 140), busy: true }, { tokens: count(0, 70), usedMs: 3 }, { usedMs: 1 });

  expect(placed(among, count(0, 200))).toEqual([2, 128, 0]);
  expect(placed(among, [...count(0, 70), 7, 7, ...count(0, 60)])).toEqual([1, 64, undefined]);
});

test("at least the last token is left to evaluate", () => {
  expect(placed(slots({ tokens: count(0, 64) }), count(0, 64))).toEqual([0, 0, undefined]);
  expect(placed(slots({ tokens: count(0, 128) }), count(0, 128))).toEqual([0, 64, undefined]);
  expect(placed(slots({ tokens: P40 }), P40)).toEqual([0, 32, undefined]);
});

test("with every slot busy there is no place", () => {
  expect(placed(slots({ busy: true }, { busy: true }), P40)).toBeUndefined();
});

test("what is kept is always a common prefix of the slot or its donor, and the slot is always idle", () => {
  const tokens = fc.array(fc.nat(1), { maxLength: 200 });
  const held = fc.record({ tokens, usedMs: fc.nat(5), busy: fc.boolean() });
  fc.assert(
    fc.property(fc.array(held, { minLength: 1, maxLength: 4 }), fc.nat(200), tokens, (all, shared, rest) => {
      const among = slots(...all);
      const wanted = [...(all[0]?.tokens.slice(0, shared) ?? []), ...rest, 1];

      const placement = place(among, { tokens: wanted, promptLength: wanted.length }, BLOCK);

      if (placement === undefined) {
        expect(all.every(({ busy }) => busy)).toBe(true);
        return;
      }
      expect(placement.slot.task).toBeUndefined();
      expect(placement.keep).toBeLessThan(wanted.length);
      expect((placement.donor ?? placement.slot).tokens.slice(0, placement.keep)).toEqual(
        wanted.slice(0, placement.keep),
      );
      expect(cuts(wanted.length)).toEqual(expect.arrayContaining(placement.keep === 0 ? [] : [placement.keep]));
      expect(placement.donor).not.toBe(placement.slot);
    }),
    { numRuns: 1000 },
  );
});
