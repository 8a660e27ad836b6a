import { expect, test } from "vitest";
import { memoryBudget } from "./budget.ts";

test("four fifths of what is free, unless a size or a part of it was named", () => {
  expect(memoryBudget(undefined, 1000)).toBe(800);
  expect(memoryBudget({ part: 0.5 }, 1001)).toBe(500);
  expect(memoryBudget({ bytes: 5000 }, 1000)).toBe(5000);
});
