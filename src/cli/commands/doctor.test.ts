import { expect, test } from "vitest";
import { report } from "./doctor.ts";

const FINE = { what: "platform", state: "ok", found: "Node 20" } as const;
const ODD = { what: "memory", state: "warning", found: "little", advice: "close something" } as const;
const BAD = { what: "port", state: "problem", found: "taken", advice: "choose another" } as const;

test("every finding is a line, its advice stands below it", () => {
  expect(report([FINE, BAD])).toBe(
    [
      "ok       platform  Node 20",
      "problem  port      taken",
      "                   → choose another",
      "",
      "1 problem, 0 warnings.",
      "",
    ].join("\n"),
  );
});

test.each([
  [[FINE], "Everything is as it should be."],
  [[FINE, ODD], "It will work; 1 warning."],
  [[ODD, BAD, BAD], "2 problems, 1 warning."],
])("the last line is the sum", (findings, sum) => {
  expect(report(findings).trimEnd().split("\n").at(-1)).toBe(sum);
});
