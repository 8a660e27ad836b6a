import { expect, test } from "vitest";
import { memoryBudget } from "./budget.ts";

test("four fifths of what is free, unless a size or a part of it was named", () => {
  const free = { machine: 1000, gpu: 0 };

  expect(memoryBudget(undefined, free)).toEqual({ machine: 800, gpu: 0 });
  expect(memoryBudget({ part: 0.5 }, { machine: 1001, gpu: 0 })).toEqual({ machine: 500, gpu: 0 });
  expect(memoryBudget({ bytes: 5000 }, free)).toEqual({ machine: 5000, gpu: 0 });
});

test("the memory of a GPU has a budget of its own", () => {
  const free = { machine: 1000, gpu: 400 };

  expect(memoryBudget(undefined, free)).toEqual({ machine: 800, gpu: 320 });
  expect(memoryBudget({ bytes: 300 }, free)).toEqual({ machine: 300, gpu: 300 });
});
