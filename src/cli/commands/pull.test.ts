import { expect, test } from "vitest";
import { adviceText } from "./pull.ts";

test("without a model, the machine and what suits it are said", () => {
  expect(adviceText({ memoryBytes: 8e9, cores: 4 })).toBe(
    [
      "This machine: 8.00 GB of memory, 4 cores, no GPU in use",
      "",
      "FOR         MODEL                               SIZE     WHY",
      "filling in  qwen2.5-coder-1.5b-instruct:q4_k_m  1.12 GB  the largest that fits well into 8.00 GB of memory",
      "chat        qwen2.5-1.5b-instruct:q4_k_m        1.12 GB  the largest that fits well into 8.00 GB of memory",
      "",
    ].join("\n"),
  );
});

test("where nothing fits, the model of the package is named", () => {
  expect(adviceText({ memoryBytes: 5e8, cores: 1, gpuBytes: 4e8 })).toContain("continuo-135m (in the package)  -");
});
