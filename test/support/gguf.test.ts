import fc from "fast-check";
import { expect, test } from "vitest";
import { halfBits, tensorBytes } from "./gguf.ts";
import { spellBytes, TINY_CONTROL_TOKENS, tinyVocabulary, unspellBytes } from "./tiny-vocabulary.ts";

test.each([
  [0, 0x0000],
  [-0, 0x8000],
  [1, 0x3c00],
  [-2, 0xc000],
  [0.333251953125, 0x3555],
  [65_504, 0x7bff],
  [2 ** -14, 0x0400],
  [2 ** -24, 0x0001],
  [2047.9, 0x6800],
])("%d in half precision is %i", (value, bits) => {
  expect(halfBits(value)).toBe(bits);
});

test("half precision keeps eleven bits of any number in its range", () => {
  fc.assert(
    fc.property(fc.double({ min: 2 ** -14, max: 65_504, noNaN: true }), (value) => {
      const bits = halfBits(value);
      const back = (1 + (bits & 0x3ff) / 1024) * 2 ** ((bits >> 10) - 15);
      expect(Math.abs(back - value) / value).toBeLessThanOrEqual(2 ** -11);
    }),
  );
});

test("what half precision cannot hold is refused", () => {
  expect(() => halfBits(70_000)).toThrow(RangeError);
  expect(() => halfBits(Number.NaN)).toThrow(RangeError);
});

test("a tensor's size follows from its type and shape", () => {
  expect(tensorBytes({ type: "F32", shape: [3, 5] })).toBe(60);
  expect(tensorBytes({ type: "F16", shape: [4] })).toBe(8);
  expect(tensorBytes({ type: "Q8_0", shape: [64, 2] })).toBe(136);
});

test("bytes spelt the GPT-2 way come back", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);

  expect(unspellBytes(spellBytes(bytes))).toEqual(bytes);
  expect(spellBytes(Buffer.from(" a\n"))).toBe("ĠaĊ");
});

test("control tokens come last, or where they are put; ids stay dense and unique", () => {
  const plain = tinyVocabulary();
  const placed = tinyVocabulary({ controlIds: { "<|im_end|>": 3, "<|fim_prefix|>": 500 } });

  expect(plain.tokens.slice(-TINY_CONTROL_TOKENS.length)).toEqual(TINY_CONTROL_TOKENS);
  expect(placed.tokens[3]).toBe("<|im_end|>");
  expect(placed.tokens[500]).toBe("<|fim_prefix|>");
  expect(placed.tokens).toHaveLength(plain.tokens.length);
  expect(new Set(placed.tokens).size).toBe(placed.tokens.length);
  expect(() => tinyVocabulary({ controlIds: { "<|none|>": 3 } })).toThrow(RangeError);
});
