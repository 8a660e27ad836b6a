import { expect, test } from "vitest";
import { promptingOf } from "./prompting.ts";

function prompting(metadata: Readonly<Record<string, string>>) {
  return promptingOf((key) => metadata[key]);
}

test("order, what stands behind the middle marker, and healing are what the file says", () => {
  expect(
    prompting({
      "continuo.fim.order": "spm",
      "continuo.fim.behind_middle": "line",
      "continuo.fim.stop_at_suffix": "true",
      "continuo.fim.healing": "true",
      "continuo.healing": "false",
    }),
  ).toEqual({
    fimOrder: "spm",
    fimBehindMiddle: "line",
    fimGapEnd: true,
    fimHealing: true,
    healing: false,
  });
  expect(prompting({ "continuo.fim.order": "psm" })).toEqual({ fimOrder: "psm" });
});

test("a file that says nothing, or something else, leaves everything as it is", () => {
  expect(prompting({})).toEqual({});
  const unknown = { "continuo.fim.order": "mps", "continuo.fim.behind_middle": "all", "continuo.fim.healing": "1" };
  expect(prompting({ ...unknown, "continuo.healing": "" })).toEqual({});
});

test.each([
  ["Instruct-AWQ", true],
  ["chat", true],
  ["base", undefined],
  [undefined, undefined],
])("a file whose finetune is %s is one for instructions: %s", (finetune, isInstruct) => {
  const prompting = promptingOf((key) => (key === "general.finetune" ? finetune : undefined));

  expect(prompting.isInstruct).toBe(isInstruct);
});
