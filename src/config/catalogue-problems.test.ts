/** What the configuration adds to the catalogue, and how mistakes in it are said. */
import { describe, expect, test } from "vitest";
import { load, problems } from "../../test/support/configuration.ts";
import { checkCatalogue, parseCatalogue } from "./catalogue.ts";
import { ConfigError } from "./error.ts";

const C = "/etc/continuo/c.yaml";

describe("names of the operator's own", () => {
  test("may do everything, as far as the weights can, unless they say otherwise", () => {
    const { catalogue } = load("catalogue:\n  mine: {}\n  chat-only: { completions: false, context: 4096 }\n");

    expect(catalogue.find("mine")).toEqual({
      ...{ name: "mine", aliases: [], completions: true, partial: true, defaults: {} },
      contextTokens: Number.POSITIVE_INFINITY,
      maxInputTokens: Number.POSITIVE_INFINITY,
      maxOutputTokens: Number.POSITIVE_INFINITY,
    });
    expect(catalogue.find("chat-only")).toMatchObject({ completions: false, partial: true, contextTokens: 4096 });
    expect(catalogue.entries).toHaveLength(92);
  });

  test("have from the name they are like what they do not say themselves, field by field", () => {
    const { catalogue } = load(
      "catalogue:\n  mine: { like: ours, max_output_tokens: 512 }\n  ours: { like: qwen-max, sampling: { temperature: 0.1 } }\n",
    );

    expect(catalogue.find("mine")).toMatchObject({
      ...{ completions: false, contextTokens: 32_768, maxInputTokens: 30_720, maxOutputTokens: 512 },
      defaults: { temperature: 0.1, topP: 0.8, topK: 20, presencePenalty: 1.5, repetitionPenalty: 1 },
    });
  });

  test("have no weights, snapshot or aliases from the name they are like", () => {
    const { catalogue } = load(
      "catalogue:\n  a: { like: qwen2.5-7b-instruct }\n  b: { like: qwen-plus-0125, weights: me/b, aliases: [bee] }\n",
    );

    expect(catalogue.find("a")?.gguf).toBeUndefined();
    expect(catalogue.find("bee")).toMatchObject({ name: "b", gguf: "me/b-GGUF" });
    expect(catalogue.find("b")?.snapshot).toBeUndefined();
    expect(catalogue.find("qwen-plus-2025-01-25")?.name).toBe("qwen-plus-0125");
  });

  test("may be what JavaScript calls something else", () => {
    const { catalogue } = load("catalogue:\n  constructor: {}\n  mine: { like: constructor, aliases: [valueOf] }\n");

    expect(catalogue.find("valueOf")?.name).toBe("mine");
    expect(problems("catalogue:\n  mine: { like: toString }\n")[0]).toContain('the catalogue has no "toString"');
  });

  test("change a name that is there without repeating it", () => {
    const { catalogue } = load("catalogue:\n  qwen2.5-7b-instruct: { max_output_tokens: 100 }\n");

    expect(catalogue.entries).toHaveLength(90);
    expect(catalogue.find("qwen2.5-7b-instruct")).toMatchObject({
      ...{ contextTokens: 131_072, maxOutputTokens: 100, gguf: "Qwen/Qwen2.5-7B-Instruct-GGUF" },
    });
  });
});

describe("a bad entry is said with its place and what was expected", () => {
  test.each([
    [
      "mine: 3",
      `${C}:2:3: catalogue.mine: expected what a name may do, such as \`partial: true\` or \`like: qwen-plus\`, found 3`,
    ],
    ["mine: { contxt: 3 }", `${C}:2:11: catalogue.mine.contxt: unknown key; did you mean "context"?`],
    ["mine: { partial: yes please }", `${C}:2:11: catalogue.mine.partial: expected true or false, found "yes please"`],
    [
      "mine: { context: 1k }",
      `${C}:2:11: catalogue.mine.context: expected an integer from 16 to 2147483648, found "1k"`,
    ],
    [
      "mine: { sampling: { temperature: 9 } }",
      `${C}:2:23: catalogue.mine.sampling.temperature: expected a number from 0 to 2, found 9`,
    ],
    ["mine: { weights: qwen }", `${C}:2:11: catalogue.mine.weights: expected OWNER/REPOSITORY, found "qwen"`],
    [
      "mine: { date: yesterday }",
      `${C}:2:11: catalogue.mine.date: expected a date such as 2026-03-15 or 2026-03, found "yesterday"`,
    ],
    [
      "mine: { like: qwen-pls }",
      `${C}:2:11: catalogue.mine.like: the catalogue has no "qwen-pls"; did you mean "qwen-plus"?`,
    ],
    [
      "mine: { like: qwen-plus, context: 4096 }",
      `${C}:2:28: catalogue.mine.context: expected less max_input_tokens (997952) than context (4096)`,
    ],
    [
      "mine: { context: 100, max_output_tokens: 100 }",
      `${C}:2:25: catalogue.mine.max_output_tokens: expected less max_output_tokens (100) than context (100)`,
    ],
    [
      "mine: { aliases: [qwen-plus] }",
      `${C}:2:21: catalogue.mine.aliases.0: "qwen-plus" already belongs to "qwen-plus"; leave it out, or give "qwen-plus" these fields`,
    ],
    ['"a b": {}', `${C}:2:3: catalogue.a b: expected a name of 1 to 200 characters without blanks as the key`],
  ])("%s", (entry, said) => {
    expect(problems(`catalogue:\n  ${entry}\n`)).toContain(said);
  });

  test("names that are like each other in a circle", () => {
    expect(problems("catalogue:\n  a: { like: b }\n  b: { like: a }\n")).toEqual([
      `${C}:2:8: catalogue.a.like: a is like b is like a; one of them has to say what it is`,
      `${C}:3:8: catalogue.b.like: b is like a is like b; one of them has to say what it is`,
    ]);
  });

  test("one alias of two names", () => {
    const own = { a: { aliases: ["x"] }, b: { aliases: ["x"] } };

    expect(checkCatalogue(own, {}).map(({ path }) => path)).toEqual([
      ["a", "aliases", 0],
      ["b", "aliases", 0],
    ]);
  });
});

describe("the file of the package", () => {
  const said = (source: string): string => {
    try {
      parseCatalogue(source, "catalogue.json");
    } catch (error) {
      if (error instanceof ConfigError) return error.message;
      throw error;
    }
    return "";
  };

  test("is refused with line, column and what was expected", () => {
    expect(said('{\n  "a": { "context": 4096 },\n  "b": { "context": "4096" }\n}')).toBe(
      'catalogue.json:3:10: b.context: expected an integer from 16 to 2147483648, found "4096"',
    );
    expect(said('{\n  "a": { "context": 4096 \n}')).toMatch(/^catalogue\.json:\d:\d+: expected YAML: /);
  });
});
