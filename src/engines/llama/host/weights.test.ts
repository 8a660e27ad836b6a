import { describe, expect, test } from "vitest";
import { FIM_LAYOUTS, type FimLayout } from "../../../continuation/fim.ts";
import { CONTROL_TOKENS } from "../../../continuation/input.ts";
import type { ReadyMessage } from "../wire/messages.ts";
import type { ModelFacts } from "../wire/model-facts.ts";
import { describeWeights, type WeightsOptions } from "./weights.ts";

const QWEN_IDS = Object.fromEntries(CONTROL_TOKENS.map((token, index) => [token, 100 + index]));

function describing(facts: Partial<ModelFacts>, options: Partial<WeightsOptions> = {}) {
  const ready: ReadyMessage = {
    type: "ready",
    slots: 4,
    slotTokens: 2048,
    threads: 2,
    runsOn: "cpu-zen4",
    facts: {
      description: "qwen2 0.5B Q8_0",
      vocabularySize: 1000,
      trainedTokens: 4096,
      weightBytes: 512 * 2 ** 20,
      cacheBytesPerToken: 12_288,
      controls: QWEN_IDS,
      ends: [102],
      sampling: { temperature: 0.7 },
      prompting: {},
      ...facts,
    },
  };
  return describeWeights({ name: "coder", fimLayouts: FIM_LAYOUTS, ...options }, ready);
}

test("the model is what its vocabulary, its context and its file say", () => {
  expect(describing({}).model).toEqual({
    id: "coder",
    contextTokens: 2048,
    fim: "qwen",
    chat: true,
    vocabularySize: 1000,
    defaults: { temperature: 0.7 },
  });
});

test("one line tells people what they have", () => {
  expect(describing({}).summary).toBe(
    "qwen2 0.5B Q8_0, fill-in-the-middle: qwen (psm), chat: yes; 4 slots of 2048 tokens, weights 512 MiB, cache 96 MiB, 2 threads on cpu-zen4",
  );
});

describe("ends of text", () => {
  test("are all nine control tokens of Qwen, whatever the file calls its end", () => {
    expect([...describing({ ends: [] }).ends].sort()).toEqual([100, 101, 102, 103, 104, 105, 106, 107, 108]);
  });

  test("are the file's own ends besides", () => {
    expect(describing({ controls: { "</s>": 2 }, ends: [2, 7] }).ends).toEqual([2, 7]);
  });

  test("are the markers and ends of the layout, as far as the vocabulary has them", () => {
    const controls = { "<fim_prefix>": 1, "<fim_suffix>": 2, "<fim_middle>": 3, "<fim_pad>": 4, "<x>": 9 };

    expect([...describing({ controls, ends: [0] }).ends].sort()).toEqual([0, 1, 2, 3, 4]);
  });
});

describe("the layout", () => {
  const own: FimLayout = { family: "own", prefix: "<x>", suffix: "<y>", order: "spm", ends: [] };

  test("can be named, also one of the configuration's own", () => {
    const controls = { ...QWEN_IDS, "<x>": 1, "<y>": 2 };

    expect(describing({ controls }, { fim: "own", fimLayouts: [...FIM_LAYOUTS, own] }).weights.fim).toBe(own);
    expect(describing({ controls }, { fim: "qwen" }).model.fim).toBe("qwen");
  });

  test("ends gaps with some help where the weights were trained on dialogues since", () => {
    expect(describing({ prompting: { isInstruct: true } }).weights.fim).toEqual({ ...FIM_LAYOUTS[0], endBias: 6.5 });
    expect(describing({}).weights.fim?.endBias).toBeUndefined();
  });

  test("is asked in the order, with the healing and the stop that the file names", () => {
    const prompting = { fimOrder: "spm", fimHealing: false, fimGapEnd: true } as const;

    expect(describing({ prompting }).weights.fim).toEqual({
      ...FIM_LAYOUTS[0],
      order: "spm",
      healing: false,
      gapEnd: true,
    });
    expect(describing({ prompting }).summary).toContain("fill-in-the-middle: qwen (spm)");
    expect(describing({}).weights.fim).toEqual(FIM_LAYOUTS[0]);
    expect(describing({ controls: {}, prompting }).weights.fim).toBeUndefined();
  });

  test("of the configuration has the last word, also over the order that the file names", () => {
    const controls = { "<x>": 1, "<y>": 2 };
    const psm: FimLayout = { ...own, order: "psm" };

    const { weights } = describing(
      { controls, prompting: { fimOrder: "spm", fimHealing: true } },
      { fimLayouts: [psm, ...FIM_LAYOUTS] },
    );

    expect(weights.fim).toBe(psm);
  });

  test("can be switched off", () => {
    const { model, weights, summary } = describing({}, { fim: false });

    expect([model.fim, weights.fim]).toEqual([undefined, undefined]);
    expect(summary).toContain("fill-in-the-middle: no");
  });

  test("that is unknown, or that the vocabulary lacks, is refused by name", () => {
    expect(() => describing({}, { fim: "nonsense" })).toThrow(/"coder".*"nonsense".*known: qwen, /);
    expect(() => describing({}, { fim: "starcoder" })).toThrow(/lacks markers/);
    expect(() => describing({}, { fim: "starcoder" })).toThrow(expect.objectContaining({ code: "model_unavailable" }));
  });
});

describe("rendering", () => {
  test("leaves healing of prefixes to the file where it says something", () => {
    expect(describing({ prompting: { healing: false } }).weights.healing).toBe(false);
    expect(describing({}).weights.healing).toBeUndefined();
  });

  test("puts the beginning of text before raw prompts only where the file asks for it", () => {
    const bos = { id: 1, text: "<s>" };

    expect(describing({ bos: { ...bos, add: true }, eos: "</s>" }).weights).toMatchObject({
      bos: "<s>",
      templateTokens: { bos: "<s>", eos: "</s>" },
    });
    expect(describing({ bos: { ...bos, add: false } }).weights.bos).toBeUndefined();
    expect(describing({ bos: { ...bos, add: false } }).weights.templateTokens).toEqual({ bos: "<s>", eos: "" });
  });

  test("of chats needs ChatML or a template", () => {
    expect(describing({ controls: {} }).model.chat).toBe(false);
    expect(describing({ controls: {}, chatTemplate: "{{ messages }}" }).model.chat).toBe(true);
    expect(describing({ controls: { "<|im_start|>": 1, "<|im_end|>": 2 } }).model.chat).toBe(true);
  });
});
