import fc from "fast-check";
import { expect, test } from "vitest";
import { nextCut } from "./blocks.ts";

function cuts(length: number, block = 64): number[] {
  const all: number[] = [];
  for (let at = 0; at < length; at = all.at(-1) ?? length) all.push(nextCut(at, length, block));
  return all;
}

test("a prompt is cut into whole blocks, then into halves of what is left, then the rest", () => {
  expect(cuts(64)).toEqual([64]);
  expect(cuts(127)).toEqual([64, 96, 112, 120, 127]);
  expect(cuts(150)).toEqual([64, 128, 144, 150]);
  expect(cuts(5)).toEqual([5]);
  expect(cuts(1300, 512)).toEqual([512, 1024, 1280, 1296, 1300]);
});

test("from anywhere the next cut is one of the prompt's own, behind it and within a block", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2_000 }), fc.nat(), fc.constantFrom(64, 512), (length, part, block) => {
      const from = part % length;

      const cut = nextCut(from, length, block);

      expect(cut).toBe(cuts(length, block).find((each) => each > from));
      expect(cut - from).toBeLessThanOrEqual(block);
    }),
  );
});

test("a prompt that goes on keeps all cuts but those of its last block", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2_000 }), fc.nat(200), (length, more) => {
      const whole = length - (length % 64);

      expect(cuts(length + more).filter((cut) => cut <= whole)).toEqual(cuts(length).filter((cut) => cut <= whole));
    }),
  );
});
