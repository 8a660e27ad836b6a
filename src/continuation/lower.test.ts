import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  anyText,
  CODESTRAL,
  chat,
  control,
  counted,
  infill,
  joined,
  layout,
  PLAIN,
  partsOf,
  QWEN,
  refusal,
  rolesOf,
  says,
  text,
} from "../../test/support/lowering.ts";
import { CONTROL_TOKENS, type Continuation, type PromptPart } from "./input.ts";
import { lower, type Weights } from "./lower.ts";
import { mergeTexts } from "./prompt.ts";

describe("raw text", () => {
  test("is one stretch that may be cut from the left, control tokens may not", () => {
    const prompt = lower(
      { kind: "text", parts: [text("a"), text("b"), control("<|file_sep|>"), text("c")] as PromptPart[] },
      QWEN,
    );

    expect(partsOf(prompt)).toEqual([text("ab"), control("<|file_sep|>"), text("c")]);
    expect(rolesOf(prompt)).toBe("prefix fixed prefix");
    expect(counted(prompt)).toBe(4);
  });

  test("begins as the vocabulary asks, once, and that does not count", () => {
    const begins: Weights = { ...QWEN, bos: "<|endoftext|>" };
    const added = lower({ kind: "text", parts: [text("a")] }, begins);
    const written = lower({ kind: "text", parts: [{ control: "<|endoftext|>" }, text("a")] }, begins);

    expect(partsOf(added)).toEqual([control("<|endoftext|>"), text("a")]);
    expect(counted(added)).toBe(1);
    expect(partsOf(written)).toEqual(partsOf(added));
    expect(counted(written)).toBe(2);
  });

  test("a control token that the weights lack is refused by name", () => {
    expect(refusal(() => lower({ kind: "text", parts: [{ control: "<|im_start|>" }] }, PLAIN))).toMatchObject({
      code: "unsupported_input",
      message: expect.stringContaining("<|im_start|>"),
    });
  });

  test("FIM markers in raw text are translated to the weights' own", () => {
    expect(joined(lower({ kind: "text", parts: [{ control: "<|fim_prefix|>" }, text("x")] }, CODESTRAL))).toBe(
      "<s>[PREFIX]x",
    );
  });

  test("comes out as it went in", () => {
    const part = fc.oneof(
      anyText().map((content): PromptPart => ({ text: content })),
      fc.constantFrom(...CONTROL_TOKENS).map((spelling): PromptPart => ({ control: spelling })),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
        const prompt = lower({ kind: "text", parts }, QWEN);
        expect(partsOf(prompt)).toEqual(mergeTexts(parts));
        expect(prompt.countOffset).toBe(0);
      }),
      { numRuns: 2000 },
    );
  });
});

test("token ids are taken as they are", () => {
  expect(lower({ kind: "tokens", tokens: [3, 1, 2] }, { ...QWEN, bos: "<|endoftext|>" })).toEqual({
    sections: [{ role: "prefix", parts: [{ tokens: [3, 1, 2] }] }],
    countOffset: 0,
  });
});

test("what answers token ids so far stands behind them", () => {
  expect(lower({ kind: "tokens", tokens: [3], answer: "a" }, QWEN).sections).toEqual([
    { role: "prefix", parts: [{ tokens: [3] }] },
    { role: "prefix", parts: [{ text: "a" }] },
  ]);
});

describe("where a text goes on", () => {
  const healOf = (input: Continuation) => lower(input, QWEN).heal;

  test("is the end of a raw text, a prefix of an infill, or an assistant prefix, with its length in bytes", () => {
    expect(healOf({ kind: "text", parts: [{ text: "春天 x" }] })).toEqual({ section: 1, bytes: 8, byDefault: true });
    expect(healOf(chat([says("user", "hello")], "春"))).toEqual({ section: 1, bytes: 3, byDefault: true });
    expect(healOf(infill({ prefix: "ab", suffix: "c" }))).toEqual({ section: 2, bytes: 2, byDefault: true });
    expect(healOf(infill({ prefix: "ab", suffix: "c", middle: "xyz" }))?.bytes).toBe(3);
  });

  test("is healed by default as the weights want it, infills apart from prefixes", () => {
    const byDefault = (input: Continuation, weights: Weights) => lower(input, weights).heal?.byDefault;
    const trained: Weights = { ...QWEN, healing: false, fim: { ...layout("qwen"), healing: true } };
    const untrained: Weights = { ...QWEN, fim: { ...layout("qwen"), healing: false } };
    const template: Weights = {
      ...PLAIN,
      healing: false,
      chatTemplate: "{% for m in messages %}{{ m.content }}{% endfor %}",
    };

    expect(byDefault({ kind: "text", parts: [{ text: "x" }] }, trained)).toBe(false);
    expect(byDefault(chat([says("user", "hello")], "x"), trained)).toBe(false);
    expect(byDefault(chat([says("user", "hello")], "x"), template)).toBe(false);
    expect(byDefault(chat([says("user", "hello")], "x"), { ...template, healing: true })).toBe(true);
    expect(byDefault(infill({}), trained)).toBe(true);
    expect(byDefault(infill({}), untrained)).toBe(false);
    expect(byDefault({ kind: "text", parts: [{ text: "x" }] }, untrained)).toBe(true);
  });

  test("is left alone by default where the caller wrote the template", () => {
    const parts = [{ control: "<|im_start|>" }, { text: "assistant\n" }] as const;

    expect(healOf({ kind: "text", parts })?.byDefault).toBe(false);
  });

  test("is nowhere behind a marker, in token ids, or in an answer that begins anew", () => {
    expect(healOf({ kind: "text", parts: [{ text: "a" }, { control: "<|im_end|>" }] })).toBeUndefined();
    expect(healOf({ kind: "tokens", tokens: [1, 2] })).toBeUndefined();
    expect(healOf(chat([says("user", "hello")]))).toBeUndefined();
    expect(healOf(chat([says("user", "hello")], ""))).toBeUndefined();
  });
});
