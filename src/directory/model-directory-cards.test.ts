import { describe, expect, test } from "vitest";
import { directoryOf, never, served } from "../../test/support/described-weights.ts";

describe("what a name can do", () => {
  test("weights whose context nobody tells leave the catalogue's bounds, or none", async () => {
    const directory = directoryOf([served("first", { untold: ["contextTokens"] })]);

    expect((await directory.open("qwen-coder", "text", never))[0].card).toMatchObject({
      ...{ contextTokens: 32_768, maxInputTokens: 30_720, maxOutputTokens: 8_192 },
    });
    expect((await directory.open("first", "text", never))[0].card).toMatchObject({
      contextTokens: Number.POSITIVE_INFINITY,
      maxInputTokens: Number.POSITIVE_INFINITY,
      maxOutputTokens: Number.POSITIVE_INFINITY,
    });
  });

  test("the catalogue's lists bind its names, whoever answers", async () => {
    const weights = [served("first", { completions: true, maxInputTokens: 32_000, facts: { contextTokens: 65_536 } })];
    const [{ card }] = await directoryOf(weights).open("qwen-plus", "chat", never);

    expect(card).toMatchObject({ catalogued: true, completions: false, partial: true, maxInputTokens: 30_720 });
  });

  test("what the operator takes away from weights, their stand-in lacks too", async () => {
    const weights = [served("first", { partial: false, maxInputTokens: 100 })];
    const [{ card }] = await directoryOf(weights).open("qwen-coder", "text", never);

    expect(card).toMatchObject({ completions: true, partial: false, maxInputTokens: 100 });
    expect([...(card.withheld ?? [])]).toEqual(["partial"]);
  });

  test("the operator's word counts for a name that was mapped", async () => {
    const directory = directoryOf(
      [served("first", { completions: true, maxInputTokens: 31_000, facts: { contextTokens: 65_536 } })],
      {
        mappings: new Map([["qwen-plus", "first"]]),
      },
    );
    const [{ card }] = await directory.open("qwen-plus", "chat", never);

    expect(card).toMatchObject({ catalogued: true, completions: true, maxInputTokens: 31_000 });
  });

  test("any other name can do what its weights can", async () => {
    const directory = directoryOf([served("chatty"), served("mute", { facts: { chat: false } })]);

    expect((await directory.open("chatty", "text", never))[0].card).toMatchObject({
      catalogued: false,
      completions: true,
      partial: true,
      answeredBy: { standIn: false },
    });
    expect((await directory.open("mute", "text", never))[0].card).toMatchObject({ completions: true, partial: false });
  });

  test("limits are the catalogue's, lowered to what the weights hold with one token to spare", async () => {
    const small = directoryOf([served("first", { facts: { contextTokens: 4_096 } })]);
    const large = directoryOf([served("first", { facts: { contextTokens: 1_000_000 } })]);

    expect((await small.open("qwen-coder", "text", never))[0].card).toMatchObject({
      contextTokens: 4_096,
      maxInputTokens: 4_095,
      maxOutputTokens: 4_095,
    });
    expect((await large.open("qwen-coder", "text", never))[0].card).toMatchObject({
      contextTokens: 32_768,
      maxInputTokens: 30_720,
      maxOutputTokens: 8_192,
    });
    expect((await large.open("first", "text", never))[0].card).toMatchObject({
      contextTokens: 1_000_000,
      maxInputTokens: 999_999,
      maxOutputTokens: 999_999,
    });
  });

  test("limits of the configuration never exceed what the weights hold", async () => {
    const weights = [served("first", { facts: { contextTokens: 1_000 }, maxInputTokens: 5_000, maxOutputTokens: 10 })];

    expect((await directoryOf(weights).open("first", "text", never))[0].card).toMatchObject({
      maxInputTokens: 999,
      maxOutputTokens: 10,
    });
  });

  test("sampling defaults: the weights', else the catalogue's for its names, else ours; the operator's beside them", async () => {
    const weights = [
      served("first", { facts: { defaults: { temperature: 0.2, minP: 0.1 } }, sampling: { topK: 7 } }),
      served("bare"),
    ];
    const directory = directoryOf(weights);

    expect((await directory.open("qwen-coder", "text", never))[0].card.defaults).toEqual({
      model: { temperature: 0.2, topP: 0.8, topK: 20, minP: 0.1, repetitionPenalty: 1.1 },
      operator: { topK: 7 },
    });
    expect((await directory.open("first", "text", never))[0].card.defaults).toEqual({
      model: { temperature: 0.2, topP: 0.8, topK: 20, minP: 0.1, repetitionPenalty: 1 },
      operator: { topK: 7 },
    });
    expect((await directory.open("bare", "text", never))[0].card.defaults).toEqual({
      model: { temperature: 0.7, topP: 0.8, topK: 20, repetitionPenalty: 1 },
      operator: {},
    });
  });
});
