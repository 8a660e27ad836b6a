/** The names that come with the package. */
import { describe, expect, test } from "vitest";
import type { CatalogueEntry } from "../models/catalog.ts";
import { catalogueFrom, checkCatalogue, shippedNames } from "./catalogue.ts";

const CATALOGUE = catalogueFrom({});

/** Names of the two pages that the server has to know; those of later pages come behind them. */
const SEEDS = CATALOGUE.entries.slice(0, 45);
const LATER = CATALOGUE.entries.slice(45);

/** Page "completions interface", Nov 11 2025, "supported models". */
const COMPLETIONS_PAGE =
  "qwen2.5-coder-0.5b-instruct、qwen2.5-coder-1.5b-instruct、qwen2.5-coder-3b-instruct、qwen2.5-coder-7b-instruct、qwen2.5-coder-14b-instruct、qwen2.5-coder-32b-instruct、qwen-coder-turbo-0919、qwen-coder-turbo-latest、qwen-coder-turbo".split(
    "、",
  );

/** Page "Partial Mode", Feb 27 2025, "supported models", one line per series. */
const PARTIAL_PAGE = [
  "qwen-max、qwen-max-0125、qwen-max-0919、qwen-max-latest",
  "qwen-plus、qwen-plus-0125、qwen-plus-0112、qwen-plus-1220、qwen-plus-1127、qwen-plus-1125、qwen-plus-0919、qwen-plus-latest",
  "qwen-turbo、qwen-turbo-1101、qwen-turbo-0919、qwen-turbo-latest",
  "qwen-math-plus、qwen-math-plus-latest、qwen-math-plus-0919、qwen-math-turbo、qwen-math-turbo-latest、qwen-math-turbo-0919、qwen2.5-math-72b-instruct、qwen2.5-math-7b-instruct、qwen2.5-math-1.5b-instruct",
  "qwen-coder-plus、qwen-coder-plus-latest、qwen-coder-plus-2024-11-06、qwen-coder-turbo、qwen-coder-turbo-latest、qwen-coder-turbo-2024-09-19、qwen2.5-coder-32b-instruct、qwen2.5-coder-14b-instruct、qwen2.5-coder-7b-instruct、qwen2.5-coder-3b-instruct、qwen2.5-coder-1.5b-instruct、qwen2.5-coder-0.5b-instruct",
  "qwen2.5-72b-instruct、qwen2.5-32b-instruct、qwen2.5-14b-instruct、qwen2.5-7b-instruct、qwen2.5-3b-instruct、qwen2.5-1.5b-instruct、qwen2.5-0.5b-instruct",
].flatMap((series) => series.split("、"));

const names = (filter: (entry: CatalogueEntry) => boolean): string[] =>
  SEEDS.filter(filter)
    .map(({ name }) => name)
    .sort();

describe("the names are those of the two pages", () => {
  test("nine, forty-four, and forty-five together", () => {
    expect(COMPLETIONS_PAGE).toHaveLength(9);
    expect(PARTIAL_PAGE).toHaveLength(44);
    expect(names(() => true)).toEqual([...new Set([...COMPLETIONS_PAGE, ...PARTIAL_PAGE])].sort());
  });

  test("the completions route takes the nine, and the other spelling of one snapshot", () => {
    expect(names(({ completions }) => completions)).toEqual(
      [...COMPLETIONS_PAGE, "qwen-coder-turbo-2024-09-19"].sort(),
    );
  });

  test("Partial Mode takes the forty-four, and the other spelling of one snapshot", () => {
    expect(names(({ partial }) => partial)).toEqual([...PARTIAL_PAGE, "qwen-coder-turbo-0919"].sort());
  });
});

describe("limits", () => {
  test.each([
    ["qwen-coder-turbo", 131_072, 129_024, 8192],
    ["qwen2.5-coder-3b-instruct", 32_768, 30_720, 8192],
    ["qwen-max", 32_768, 30_720, 8192],
    ["qwen-max-latest", 131_072, 129_024, 8192],
    ["qwen-plus", 1_000_000, 997_952, 32_768],
    ["qwen-plus-0919", 131_072, 129_024, 8192],
    ["qwen-math-turbo-latest", 4096, 3072, 3072],
    ["qwen2.5-0.5b-instruct", 32_768, 30_720, 8192],
  ])("%s: %i / %i / %i", (name, contextTokens, maxInputTokens, maxOutputTokens) => {
    expect(CATALOGUE.find(name)).toMatchObject({ contextTokens, maxInputTokens, maxOutputTokens });
  });

  test("no input or output is longer than its context", () => {
    for (const { contextTokens, maxInputTokens, maxOutputTokens } of CATALOGUE.entries) {
      if (!Number.isFinite(maxInputTokens + maxOutputTokens)) continue;
      expect(Math.max(maxInputTokens, maxOutputTokens)).toBeLessThan(contextTokens);
    }
  });
});

describe("sampling defaults", () => {
  test.each([
    ["qwen-coder-plus", 0.7, 0.8, 20, 0, 1.1],
    ["qwen2.5-coder-7b-instruct", 0.7, 0.8, 20, 0, 1.1],
    ["qwen2.5-1.5b-instruct", 0.7, 0.8, 20, 0, 1.1],
    ["qwen2.5-0.5b-instruct", 0.7, 0.8, 20, 0, 1.1],
    ["qwen2.5-3b-instruct", 0.7, 0.8, 20, 0, 1.05],
    ["qwen-plus", 0.7, 0.8, 20, 0, 1.05],
    ["qwen-turbo", 0.7, 0.8, 20, 0, 1.05],
    ["qwen-max", 0.7, 0.8, 20, 1.5, 1],
    ["qwen-math-plus", 0, 1, 1, 0, 1],
    ["qwen2.5-math-1.5b-instruct", 0, 1, 1, 0, 1],
  ])("%s", (name, temperature, topP, topK, presencePenalty, repetitionPenalty) => {
    expect(CATALOGUE.find(name)?.defaults).toEqual({ temperature, topP, topK, presencePenalty, repetitionPenalty });
  });
});

describe("weights and aliases", () => {
  test("sixteen names have open weights, all called Qwen/Qwen2.5-…-Instruct like the name", () => {
    const open = SEEDS.filter(({ gguf }) => gguf !== undefined);

    expect(open).toHaveLength(16);
    for (const { name, gguf } of open) expect(gguf?.toLowerCase()).toBe(`qwen/${name}-gguf`);
  });

  test("a dated spelling is the entry of the short one", () => {
    expect(CATALOGUE.find("qwen-plus-2025-01-25")?.name).toBe("qwen-plus-0125");
    expect(CATALOGUE.find("qwen-coder-plus-1106")?.name).toBe("qwen-coder-plus-2024-11-06");
    expect(CATALOGUE.find("qwen-plus-2023-01-01")).toBeUndefined();
  });

  test("an alias is no entry itself, and leads to the snapshot of its date", () => {
    const aliases = SEEDS.flatMap(({ name, aliases }) => aliases.map((alias) => [alias, name] as const));

    expect(aliases).toHaveLength(13);
    for (const [alias, name] of aliases) {
      const [, month, day] = /(\d\d)-?(\d\d)$/.exec(alias) ?? [];

      expect(SEEDS.some((entry) => entry.name === alias)).toBe(false);
      expect(CATALOGUE.find(alias)?.name).toBe(name);
      expect(name).toMatch(new RegExp(`${month}-?${day}$`));
    }
  });
});

describe("the file", () => {
  test("has nothing wrong between its entries", () => {
    expect(checkCatalogue(shippedNames(), {})).toEqual([]);
  });

  test("says of every name where it is documented, and when that was", () => {
    for (const { name, source, date } of CATALOGUE.entries) {
      expect(source, name).toMatch(/^https:\/\/(help\.aliyun\.com|www\.alibabacloud\.com|docs\.qwencloud\.com)\//);
      expect(date, name).toMatch(/^202[56]-/);
    }
  });
});

describe("names of later pages", () => {
  test.each([
    ["qwen3-max", 262_144, 258_048, 65_536],
    ["qwen3.5-flash-2026-02-23", 1_000_000, 991_808, 65_536],
    ["qwen3.6-plus", 1_000_000, 991_808, 65_536],
    ["qwen3.7-max", 1_000_000, 991_808, 65_536],
    ["qwen3-coder-plus", 1_000_000, 997_952, 65_536],
    ["qwen3-vl-plus", 262_144, 260_096, 32_768],
  ])("%s: %i / %i / %i", (name, contextTokens, maxInputTokens, maxOutputTokens) => {
    expect(CATALOGUE.find(name)).toMatchObject({ contextTokens, maxInputTokens, maxOutputTokens });
  });

  test("chat and do Partial Mode; the completions page lists none of them", () => {
    expect(LATER).toHaveLength(45);
    for (const { name, completions, partial } of LATER) {
      expect({ name, completions, partial }).toEqual({ name, completions: false, partial: true });
    }
  });
});
