import fc from "fast-check";
import { expect, test } from "vitest";
import { loadNativeTiny, taskOf } from "../../../test/support/tiny-scheduler.ts";
import { place, type Slot } from "./slot.ts";

const tiny = await loadNativeTiny();
const BUSY = taskOf(tiny, [1]);

function slots(...held: readonly { tokens?: readonly number[]; usedMs?: number; busy?: boolean }[]): readonly Slot[] {
  return held.map(({ tokens = [], usedMs = 0, busy = false }, index) => ({
    index,
    tokens: [...tokens],
    task: busy ? BUSY : undefined,
    usedMs,
  }));
}

const count = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index);
const P40 = count(0, 40);

function placed(among: readonly Slot[], tokens: readonly number[]) {
  const placement = place(among, tokens);
  return placement && [placement.slot.index, placement.keep, placement.donor?.index];
}

test("the idle slot with the longest common prefix is taken, however recently it was used", () => {
  const among = slots({ usedMs: 1 }, { tokens: P40, usedMs: 9 }, { tokens: count(0, 36), usedMs: 2 });

  expect(placed(among, count(0, 100))).toEqual([1, 40, undefined]);
});

test("a short common prefix is not worth another slot's state: the oldest goes", () => {
  const among = slots({ tokens: count(0, 31), usedMs: 5 }, { tokens: [7, 7], usedMs: 1 });

  expect(placed(among, count(0, 100))).toEqual([1, 0, undefined]);
});

test("what the oldest slot happens to hold is kept", () => {
  expect(placed(slots({ tokens: [0, 1, 9], usedMs: 1 }), P40)).toEqual([0, 2, undefined]);
});

test("a longer prefix of a busy slot is shared", () => {
  const among = slots({ tokens: count(0, 90), busy: true }, { tokens: P40, usedMs: 3 }, { usedMs: 1 });

  expect(placed(among, count(0, 100))).toEqual([2, 90, 0]);
  expect(placed(among, [...count(0, 40), 7, 7])).toEqual([1, 40, undefined]);
});

test("at least the last token is left to evaluate", () => {
  expect(placed(slots({ tokens: P40 }), P40)).toEqual([0, 39, undefined]);
  expect(placed(slots({ tokens: count(0, 90) }), P40)).toEqual([0, 39, undefined]);
});

test("with every slot busy there is no place", () => {
  expect(placed(slots({ busy: true }, { busy: true }), P40)).toBeUndefined();
});

test("what is kept is always a common prefix of the slot or its donor, and the slot is always idle", () => {
  const tokens = fc.array(fc.nat(1), { maxLength: 80 });
  const held = fc.record({ tokens, usedMs: fc.nat(5), busy: fc.boolean() });
  fc.assert(
    fc.property(fc.array(held, { minLength: 1, maxLength: 4 }), fc.nat(40), tokens, (all, shared, rest) => {
      const among = slots(...all);
      const wanted = [...(all[0]?.tokens.slice(0, shared) ?? []), ...rest, 1];

      const placement = place(among, wanted);

      if (placement === undefined) {
        expect(all.every(({ busy }) => busy)).toBe(true);
        return;
      }
      expect(placement.slot.task).toBeUndefined();
      expect(placement.keep).toBeLessThan(wanted.length);
      expect((placement.donor ?? placement.slot).tokens.slice(0, placement.keep)).toEqual(
        wanted.slice(0, placement.keep),
      );
      expect(placement.donor).not.toBe(placement.slot);
    }),
    { numRuns: 1000 },
  );
});
