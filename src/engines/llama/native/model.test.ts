import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadNativeTiny } from "../../../../test/support/tiny-scheduler.ts";
import { CONTROL_TOKENS } from "../../../continuation/input.ts";
import { ServiceError } from "../../../errors.ts";
import { NativeModel } from "./model.ts";

const { api, model, vocabulary } = await loadNativeTiny({
  metadata: {
    "general.sampling.temp": { type: "float32", value: 0.25 },
    "continuo.fim.order": { type: "string", value: "spm" },
    "continuo.fim.healing": { type: "bool", value: true },
    "continuo.healing": { type: "bool", value: false },
  },
});

function textOf(ids: Iterable<number>): string {
  return Buffer.concat(Array.from(ids, (id) => model.bytes(id))).toString();
}

describe("text and tokens", () => {
  test("any text comes back from its tokens, and none of them is a control token", () => {
    const text = fc
      .array(
        fc.oneof(
          fc.string({ unit: "binary", maxLength: 8 }),
          fc.constantFrom(...CONTROL_TOKENS, " ", "\n\n", "    ", "\u0000", "\uFEFF", "the", "春天"),
        ),
        { maxLength: 5 },
      )
      .map((pieces) => pieces.join(""));
    const controls = new Set(Object.values(model.facts.controls));
    fc.assert(
      fc.property(text, (content) => {
        const ids = [...model.encode({ text: content })];
        expect(textOf(ids)).toBe(content);
        expect(ids.filter((id) => controls.has(id))).toEqual([]);
      }),
      { numRuns: 1000 },
    );
  });

  test("a control token is one id, adds no bytes to a text, and can be spelt", () => {
    for (const spelling of CONTROL_TOKENS) {
      const [id, ...rest] = [...model.encode({ control: spelling })];
      expect(id).toBe(vocabulary.ids.get(spelling));
      expect(rest).toEqual([]);
      expect(model.bytes(id ?? -1)).toHaveLength(0);
      expect(Buffer.from(model.spelling(id ?? -1)).toString()).toBe(spelling);
    }
  });

  test("the bytes of a token stay what they are when others are asked for", () => {
    const [first] = [...model.encode({ text: "A" })];
    const bytes = model.bytes(first ?? -1);
    model.bytes(66);

    expect(Buffer.from(bytes).toString()).toBe("A");
  });

  test("ids outside the vocabulary are refused, which the library would not survive", () => {
    const size = model.facts.vocabularySize;

    for (const id of [-1, size, 2 ** 31, Number.NaN]) {
      expect(() => model.encode({ tokens: [0, id] })).toThrow(ServiceError);
    }
    expect(() => model.encode({ tokens: [size] })).toThrow(`[0, ${size - 1}], found ${size}`);
    expect(() => model.bytes(size)).toThrow(RangeError);
    expect(model.encode({ tokens: [0, size - 1] })).toEqual([0, size - 1]);
  });
});

test("the facts are the file's", () => {
  const { facts } = model;

  expect(facts.vocabularySize).toBe(vocabulary.tokens.length);
  expect(facts.trainedTokens).toBe(8192);
  expect(facts.sampling).toEqual({ temperature: 0.25 });
  expect(facts.prompting).toEqual({ fimOrder: "spm", fimHealing: true, healing: false });
  expect(facts.description).toContain("qwen2");
  expect(facts.ends).toContain(vocabulary.ids.get("<|im_end|>"));
  expect(facts.chatTemplate).toContain("<|im_start|>");
  expect(facts.bos?.add ?? false).toBe(false);
  // Two layers, two heads of 16 numbers for keys and for values, two bytes each.
  expect(facts.cacheBytesPerToken).toBe(2 * 2 * 16 * 2 * 2);
  for (const spelling of CONTROL_TOKENS) expect(facts.controls[spelling]).toBe(vocabulary.ids.get(spelling));
  expect(Object.keys(facts.controls).every((spelling) => spelling.startsWith("<|"))).toBe(true);
});

test("a path with a NUL character is refused before the library cuts it there", async () => {
  await expect(NativeModel.load(api, "/tmp/a\0.gguf", () => "")).rejects.toMatchObject({ code: "model_unavailable" });
});
