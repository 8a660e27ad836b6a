import { expect, test } from "vitest";
import { load, problems } from "../../test/support/configuration.ts";

const GPU = "engines:\n  gpu: { kind: vllm, url: http://10.0.0.5:8000 }\nmodels:\n";

test("fallbacks are other models, in order; whoever falls back is no fallback of theirs", () => {
  const { models } = load(
    `${GPU}  a: { file: a.gguf, fallbacks: [b, named] }\n  b: { engine: gpu, fallbacks: [c] }\n  c: { engine: gpu }\n  named: { use: c }\n`,
  );

  expect(models.map((model) => ("fallbacks" in model ? model.fallbacks : "none"))).toEqual([
    ["b", "named"],
    ["c"],
    "none",
    "none",
  ]);
});

test.each([
  ["a stranger", "a: { engine: gpu, fallbacks: [nobody] }", 'a.fallbacks.0: no model is named "nobody"'],
  ["a slip", "abc: { engine: gpu, fallbacks: [abd] }\n  abx: { engine: gpu }", 'did you mean "abx"?'],
  [
    "one twice",
    "a: { engine: gpu, fallbacks: [b, b] }\n  b: { engine: gpu }",
    'a.fallbacks.1: "b" is a fallback already',
  ],
  ["itself", "a: { engine: gpu, fallbacks: [a] }", '"a" cannot stand in for itself'],
  ["itself by another name", "a: { engine: gpu, fallbacks: [b] }\n  b: { use: a }", '"a" cannot stand in for itself'],
  [
    "a circle",
    "a: { engine: gpu, fallbacks: [b] }\n  b: { engine: gpu, fallbacks: [c] }\n  c: { engine: gpu, fallbacks: [a] }",
    'a.fallbacks.0: "a" falls back to "b" falls back to "c" falls back to "a"',
  ],
  [
    "beside use",
    "a: { engine: gpu }\n  b: { use: a, fallbacks: [a] }",
    "`use` stands alone, found fallbacks beside it",
  ],
])("%s is refused", (_, models, message) => {
  expect(problems(`${GPU}  ${models}\n`).join("\n")).toContain(message);
});
