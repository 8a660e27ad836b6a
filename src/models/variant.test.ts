import { describe, expect, test } from "vitest";
import { chooseVariant } from "./choice.ts";
import type { RemoteFile } from "./hub.ts";
import { ggufName, variantsOf } from "./variant.ts";

const GB = 1e9;

function file(path: string, sizeBytes = 1): RemoteFile {
  return { path, url: `https://hub/${path}`, sizeBytes };
}

/** The sizes of a model with seven thousand million weights. */
const SIZES = {
  q2_k: 3.0,
  q3_k_m: 3.8,
  q4_0: 4.4,
  q4_k_m: 4.7,
  q5_0: 5.3,
  q5_k_m: 5.4,
  q6_k: 6.3,
  q8_0: 8.1,
  fp16: 15.2,
} as const;

const SEVEN = Object.entries(SIZES).map(([quantization, size]) =>
  file(`qwen2.5-coder-7b-instruct-${quantization}.gguf`, size * GB),
);

describe("file names", () => {
  test.each([
    ["qwen2.5-coder-7b-instruct-q4_k_m.gguf", "qwen2.5-coder-7b-instruct", "q4_k_m"],
    ["Qwen3-8B-Q4_K_M.gguf", "Qwen3-8B", "q4_k_m"],
    ["gguf/SmolLM2-135M-Instruct.Q4_1.gguf", "SmolLM2-135M-Instruct", "q4_1"],
    ["model-IQ4_XS.gguf", "model", "iq4_xs"],
    ["model-UD-Q4_K_XL.gguf", "model", "ud-q4_k_xl"],
    ["model-bf16.gguf", "model", "bf16"],
    ["qwen2.5-7b-instruct-fp16.GGUF", "qwen2.5-7b-instruct", "fp16"],
    ["gpt-oss-20b-mxfp4.gguf", "gpt-oss-20b", "mxfp4"],
    ["tiny.gguf", "tiny", undefined],
    ["q8.gguf", "q8", undefined],
  ])("%s", (path, base, quantization) => {
    expect(ggufName(path)).toEqual({ base, ...(quantization !== undefined && { quantization }) });
  });

  test("shards have a number and a count", () => {
    expect(ggufName("m-q8_0-00002-of-00003.gguf")).toEqual({
      base: "m",
      quantization: "q8_0",
      shard: { number: 2, count: 3 },
    });
  });

  test.each(["README.md", "model.safetensors", "gguf"])("%s is no GGUF file", (path) => {
    expect(ggufName(path)).toBeUndefined();
  });
});

describe("the sets of weights of a repository", () => {
  const paths = (files: readonly RemoteFile[]): string[][] =>
    variantsOf(files).map((variant) => variant.files.map(({ path }) => path));

  test("shards in any order are one set, complete or not at all", () => {
    expect(
      paths([
        file("m-q8_0-00002-of-00002.gguf", 5),
        file("m-q8_0-00001-of-00002.gguf", 5),
        file("m-q4_0-00001-of-00002.gguf"),
      ]),
    ).toEqual([["m-q8_0-00001-of-00002.gguf", "m-q8_0-00002-of-00002.gguf"]]);
  });

  test("a set with a gap is said to lack which of its shards", () => {
    const shards = (...numbers: readonly number[]) =>
      numbers.map((number) => file(`m-q8_0-0000${number}-of-00003.gguf`));
    const choose = (files: readonly RemoteFile[], pick?: string) => () => chooseVariant(files, pick, 8 * GB, "a/b");

    expect(choose(shards(1, 3))).toThrow("a/b is not complete: m-q8_0 lacks shard 2 of 3;");
    expect(choose(shards(2))).toThrow("m-q8_0 lacks shards 1, 3 of 3;");
    expect(choose(shards(1, 2, 4))).toThrow("m-q8_0 lacks shard 3 of 3;");
    expect(choose([...shards(1, 3), file("m-q4_0.gguf")], "q8_0")).toThrow(
      "a/b has no quantisation q8_0; it has q4_0 (1 bytes); of its shards, m-q8_0 lacks shard 2 of 3",
    );
    expect(choose(shards(1, 3), "m-q8_0-00001-of-00003.gguf")).toThrow("m-q8_0 lacks shard 2 of 3");
    expect(choose([file("m-00001-of-99999.gguf")])).toThrow(
      /lacks shards 2, 3, 4, 5, 6, 7, 8, 9 and 99990 more of 99999/,
    );
  });

  test("one file comes before shards of the same quantisation", () => {
    const files = [file("m-q4_0-00001-of-00002.gguf"), file("m-q4_0-00002-of-00002.gguf"), file("m-q4_0.gguf", 9)];

    expect(paths(files)).toEqual([["m-q4_0.gguf"]]);
  });

  test("projectors, importance matrices and everything else are no weights", () => {
    const files = [file("mmproj-model-f16.gguf"), file("m.imatrix.gguf"), file("README.md"), file("m-q8_0.gguf")];

    expect(paths(files)).toEqual([["m-q8_0.gguf"]]);
  });
});

describe("the choice for a machine", () => {
  const chosen = (memory: number, files = SEVEN): string =>
    chooseVariant(files, undefined, memory * GB, "a/b").variant.quantization ?? "";

  test.each([
    [6, "q3_k_m"],
    [8, "q4_k_m"],
    [16, "q4_k_m"],
    [32, "q4_k_m"],
    [48, "q5_k_m"],
    [64, "q6_k"],
    [128, "q8_0"],
    [1000, "q8_0"],
  ])("%i GB of memory, seven thousand million weights: %s", (memory, quantization) => {
    expect(chosen(memory)).toBe(quantization);
  });

  test("a small model takes little even in high precision", () => {
    const half = SEVEN.map(({ path, sizeBytes = 0 }) => file(path, sizeBytes / 14));

    expect(chosen(8, half)).toBe("q8_0");
    expect(chosen(2, half)).toBe("q4_k_m");
  });

  test("the reason says what was weighed", () => {
    const reason = (memory: number): string | undefined => chooseVariant(SEVEN, undefined, memory * GB, "a/b").reason;

    expect(reason(16)).toBe(
      "chosen as the usual compromise of size and quality, which fits in this machine's 16.0 GB of memory",
    );
    expect(reason(6)).toMatch(/the best below q4_k_m that fits in this machine's 6\.00 GB/);
    expect(reason(128)).toMatch(/a small part of this machine's 128 GB/);
  });

  test("without the usual one, the best that fits", () => {
    const few = SEVEN.filter(({ path }) => /q8_0|q6_k|q2_k/.test(path));

    expect(chosen(10, few)).toBe("q6_k");
    expect(chosen(5, few)).toBe("q2_k");
  });

  test("when nothing fits, the message lists what there is", () => {
    expect(() => chosen(2)).toThrow(/no quantisation of a\/b fits in .*2\.00 GB.*q2_k \(3\.00 GB\)/);
  });

  test("a single one is taken as it is", () => {
    const choice = chooseVariant([file("m-f32.gguf", 100 * GB)], undefined, GB, "a/b");

    expect(choice.variant.quantization).toBe("f32");
    expect(choice.reason).toBeUndefined();
  });
});

describe("what a person names", () => {
  const pick = (name: string, files = SEVEN): readonly string[] =>
    chooseVariant(files, name, GB, "a/b").variant.files.map(({ path }) => path);

  test.each([
    ["q8_0", "q8_0"],
    ["Q4_K_M", "q4_k_m"],
    ["q4-k-m", "q4_k_m"],
    ["f16", "fp16"],
  ])("%s", (name, quantization) => {
    expect(pick(name)).toEqual([`qwen2.5-coder-7b-instruct-${quantization}.gguf`]);
  });

  test("a file, with or without its folder; of a shard all of its set", () => {
    const files = [file("x/m-q8_0-00001-of-00002.gguf"), file("x/m-q8_0-00002-of-00002.gguf"), file("m-q4_0.gguf")];

    expect(pick("m-q4_0.gguf", files)).toEqual(["m-q4_0.gguf"]);
    expect(pick("m-q8_0-00002-of-00002.gguf", files)).toHaveLength(2);
    expect(pick("x/m-q8_0-00001-of-00002.gguf", files)).toHaveLength(2);
  });

  test.each([
    ["q9_0", SEVEN, /no quantisation q9_0; it has q2_k \(3\.00 GB\), /],
    ["other.gguf", SEVEN, /no file other\.gguf.*it has qwen2\.5-coder-7b-instruct-q2_k\.gguf/],
    ["m-00001-of-00002.gguf", [file("m-00001-of-00002.gguf")], /not all shards/],
    ["q8_0", [file("a-q8_0.gguf"), file("b-q8_0.gguf")], /q8_0 of several models; name one of its files: /],
    ["q8_0", [file("model.safetensors")], /no GGUF file; look for a conversion/],
  ])("%s that is not there: the message says what is", (name, files, expected) => {
    expect(() => pick(name, files)).toThrow(expected);
  });

  test("several models, and nothing named: the message lists their files", () => {
    const files = [file("a-q8_0.gguf"), file("b-q8_0.gguf")];

    expect(() => chooseVariant(files, undefined, GB, "a/b")).toThrow(/several models.*a-q8_0\.gguf, b-q8_0\.gguf/);
  });
});
