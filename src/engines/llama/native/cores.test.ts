import { availableParallelism } from "node:os";
import { expect, test } from "vitest";
import { coresIn, defaultThreads } from "./cores.ts";

function cpu(processor: number, physical: number, core: number): string {
  return `processor\t: ${processor}\nmodel name\t: Some CPU\nphysical id\t: ${physical}\nsiblings\t: 4\ncore id\t\t: ${core}\nflags\t\t: fpu`;
}

test("two threads on one core are one core, on two sockets two", () => {
  expect(coresIn([cpu(0, 0, 0), cpu(1, 0, 1), cpu(2, 0, 0), cpu(3, 0, 1)].join("\n\n"))).toBe(2);
  expect(coresIn([cpu(0, 0, 0), cpu(1, 1, 0)].join("\n\n"))).toBe(2);
});

test("a description without cores tells nothing", () => {
  expect(coresIn("processor\t: 0\nBogoMIPS\t: 50.00\n\nprocessor\t: 1\n")).toBeUndefined();
  expect(coresIn("")).toBeUndefined();
});

test("the engine gets at least one thread and never more than there are", () => {
  expect(defaultThreads()).toBeGreaterThanOrEqual(1);
  expect(defaultThreads()).toBeLessThanOrEqual(availableParallelism());
});
