import { describe, expect, test } from "vitest";
import { FIXED_SLICE, SliceSizer } from "./slice.ts";

describe("slice size", () => {
  test("an unmeasured machine gets the fixed slice", () => {
    expect(new SliceSizer().tokens({ streaming: true })).toBe(FIXED_SLICE);
  });

  test("a step lasts about as long as it may, less while streams run", () => {
    const sizer = new SliceSizer();
    sizer.observe(100, 100);
    expect(sizer.tokens({ streaming: true })).toBe(192);
    expect(sizer.tokens({ streaming: false })).toBe(384);
  });

  test("very slow and very fast machines stay within the bounds", () => {
    const slow = new SliceSizer();
    slow.observe(100, 100_000);
    const fast = new SliceSizer();
    fast.observe(100, 0.1);
    expect(slow.tokens({ streaming: true })).toBe(64);
    expect(fast.tokens({ streaming: true })).toBe(512);
  });

  test("steps of a few rows are not taken for prompts", () => {
    const sizer = new SliceSizer();
    sizer.observe(8, 8_000);
    expect(sizer.tokens({ streaming: false })).toBe(FIXED_SLICE);
  });
});
