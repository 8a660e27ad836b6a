import { describe, expect, test } from "vitest";
import { catalogueFrom } from "../config/catalogue.ts";
import { type Machine, recommend } from "./recommend.ts";
import { pullableNames } from "./reference.ts";

const GB = 1e9;

/** What is recommended for filling in and for chat. */
const modelsFor = (machine: Machine): readonly (string | undefined)[] => recommend(machine).map(({ model }) => model);

test.each([
  [1, 2, "qwen2.5-coder-0.5b-instruct:q4_k_m", "qwen2.5-0.5b-instruct:q4_k_m"],
  [4, 2, "qwen2.5-coder-0.5b-instruct:q4_k_m", "qwen2.5-1.5b-instruct:q4_k_m"],
  [8, 2, "qwen2.5-coder-0.5b-instruct:q8_0", "qwen2.5-1.5b-instruct:q4_k_m"],
  [8, 4, "qwen2.5-coder-1.5b-instruct:q4_k_m", "qwen2.5-1.5b-instruct:q4_k_m"],
  [16, 8, "qwen2.5-coder-1.5b-instruct:q8_0", "qwen2.5-7b-instruct:q4_k_m"],
  [64, 16, "qwen2.5-coder-7b-instruct:q4_k_m", "qwen2.5-14b-instruct:q4_k_m"],
  [512, 64, "qwen2.5-coder-7b-instruct:q8_0", "qwen2.5-14b-instruct:q8_0"],
])("%d GB of memory and %d cores: %s, %s", (gigabytes, cores, filling, chat) => {
  expect(modelsFor({ memoryBytes: gigabytes * GB, cores })).toEqual([filling, chat]);
});

test.each([
  [8, "qwen2.5-coder-7b-instruct:q4_k_m"],
  [24, "qwen2.5-coder-14b-instruct:q4_k_m"],
  [32, "qwen2.5-coder-32b-instruct:q4_k_m"],
  [80, "qwen2.5-coder-32b-instruct:q8_0"],
])("a GPU of %d GB decides alone: %s", (gigabytes, model) => {
  const [filling] = modelsFor({ memoryBytes: 16 * GB, cores: 2, gpuBytes: gigabytes * GB });
  expect(filling).toBe(model);
});

test("where nothing fits, no model is named", () => {
  expect(recommend({ memoryBytes: 0.5 * GB, cores: 1 })).toEqual([
    { purpose: "filling in", why: "nothing larger fits well into 500 MB" },
    { purpose: "chat", why: "nothing larger fits well into 500 MB" },
  ]);
});

describe("the reason", () => {
  test("is the memory where a larger model does not fit", () => {
    expect(recommend({ memoryBytes: 2 * GB, cores: 8 })[0]).toMatchObject({
      sizeBytes: 0.491 * GB,
      why: "the largest that fits well into 2.00 GB of memory",
    });
  });

  test("is the processor where a larger one would fit", () => {
    expect(recommend({ memoryBytes: 64 * GB, cores: 4 })[0]?.why).toBe(
      "larger ones fit into 64.0 GB of memory, but are slow on 4 cores",
    );
  });
});

test("every name can be pulled", () => {
  const known = new Set(pullableNames(catalogueFrom({})).map(({ name }) => name));
  const machines = [0.5, 1, 2, 4, 8, 16, 32, 64, 128].flatMap((gigabytes) =>
    [1, 4, 16].flatMap((cores) => [
      { memoryBytes: gigabytes * GB, cores },
      { memoryBytes: 16 * GB, cores, gpuBytes: gigabytes * GB },
    ]),
  );
  const names = machines.flatMap(modelsFor).flatMap((model) => model?.split(":")[0] ?? []);
  expect(names.filter((name) => !known.has(name))).toEqual([]);
});
