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

    expect([sizer.tokens({ streaming: true }), sizer.tokens({ streaming: false })]).toEqual([128, 128]);
  });

  test("is smaller while an answer is being generated, and smaller on slower machines", () => {
    expect(sizerAt(1).tokens({ streaming: true })).toBeLessThan(sizerAt(1).tokens({ streaming: false }));
    expect(sizerAt(2).tokens({ streaming: true })).toBeLessThan(sizerAt(1).tokens({ streaming: true }));
  });

  test("stays within bounds on any machine", () => {
    expect(sizerAt(1000).tokens({ streaming: true })).toBe(64);
    expect(sizerAt(0.001).tokens({ streaming: false })).toBe(512);
    expect(sizerAt(0).tokens({ streaming: false })).toBe(512);
  });
});
