import { describe, expect, test } from "vitest";
import { SliceSizer } from "./slice.ts";

describe("the size of a slice", () => {
  function sizerAt(msPerToken: number): SliceSizer {
    const sizer = new SliceSizer();
    for (let count = 0; count < 20; count += 1) sizer.observe(128, 128 * msPerToken);
    return sizer;
  }

  test("is 128 on a machine that nobody has measured, also after steps too small to tell", () => {
    const sizer = new SliceSizer();
    sizer.observe(8, 1);

    expect([sizer.tokens({ streaming: true, nowMs: 0 }), sizer.tokens({ streaming: false, nowMs: 0 })]).toEqual([
      128, 128,
    ]);
  });

  test("is smaller while an answer is being generated, and smaller on slower machines", () => {
    expect(sizerAt(1).tokens({ streaming: true, nowMs: 0 })).toBeLessThan(
      sizerAt(1).tokens({ streaming: false, nowMs: 0 }),
    );
    expect(sizerAt(2).tokens({ streaming: true, nowMs: 0 })).toBeLessThan(
      sizerAt(1).tokens({ streaming: true, nowMs: 0 }),
    );
  });

  test("is shorter for two seconds after somebody had to stop a step, but never changes beside an answer", () => {
    const sizer = sizerAt(2);
    const at = (nowMs: number, streaming = false): number => sizer.tokens({ streaming, nowMs });
    const before = at(0);
    sizer.disturbed(1_000);

    expect(at(2_999)).toBeLessThan(before);
    expect(at(3_001)).toBe(before);
    expect(at(2_999, true)).toBe(at(3_001, true));
    expect(sizer.isLong(at(2_999))).toBe(false);
    expect(sizer.isLong(before)).toBe(true);
  });

  test("stays within bounds on any machine", () => {
    expect(sizerAt(1000).tokens({ streaming: true, nowMs: 0 })).toBe(64);
    expect(sizerAt(0.001).tokens({ streaming: false, nowMs: 0 })).toBe(512);
    expect(sizerAt(0).tokens({ streaming: false, nowMs: 0 })).toBe(512);
  });
});
