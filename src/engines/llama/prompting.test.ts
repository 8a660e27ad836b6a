import { expect, test } from "vitest";
import { promptingOf } from "./prompting.ts";

function prompting(metadata: Readonly<Record<string, string>>) {
  return promptingOf((key) => metadata[key]);
}

test("order and healing are what the file says", () => {
  expect(
    prompting({ "continuo.fim.order": "spm", "continuo.fim.healing": "true", "continuo.healing": "false" }),
  ).toEqual({ fimOrder: "spm", fimHealing: true, healing: false });
  expect(prompting({ "continuo.fim.order": "psm" })).toEqual({ fimOrder: "psm" });
});

test("a file that says nothing, or something else, leaves everything as it is", () => {
  expect(prompting({})).toEqual({});
  expect(prompting({ "continuo.fim.order": "mps", "continuo.fim.healing": "1", "continuo.healing": "" })).toEqual({});
});
