import { describe, expect, test } from "vitest";
import { TEMPLATES } from "../../test/support/chat-templates.ts";
import { chat, control, joined, PLAIN, partsOf, QWEN, says } from "../../test/support/lowering.ts";
import { THINKING_TEMPLATES } from "../../test/support/thinking-templates.ts";
import { lower, type Weights } from "./lower.ts";
import { promptOf } from "./request-prompt.ts";

type Family = keyof typeof THINKING_TEMPLATES;

const OTHER: Weights = { ...PLAIN, templateTokens: { bos: "", eos: "" } };
const HI = [says("user", "Hi")];

function weights(family: Family): Weights {
  const base = family.startsWith("qwen") ? QWEN : OTHER;
  return { ...base, chatTemplate: THINKING_TEMPLATES[family] };
}

/** What stands behind the question. */
function opened(family: Family, prefix?: string): string {
  return joined(lower(chat(HI, prefix), weights(family)))
    .split("Hi")
    .slice(1)
    .join("Hi");
}

describe("weights whose template knows thinking", () => {
  test.each<[Family, string]>([
    ["qwen3", "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"],
    ["qwen3Thinking", "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"],
    ["r1", "<｜Assistant｜><think>\n\n</think>\n\n"],
    ["r1Silent", "<｜Assistant｜><think>\n\n</think>\n\n"],
    ["v31", "<｜Assistant｜></think>"],
    ["spoken", "[no thought][assistant]"],
  ])("%s: an assistant prefix stands behind a thought that is over, byte for byte", (family, head) => {
    expect(opened(family, " Sure,\n")).toBe(`${head} Sure,\n`);
    expect(lower(chat(HI, "Sure"), weights(family))).not.toHaveProperty("thought");
  });

  test.each<[Family, string, string]>([
    ["qwen3", "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n", "possible"],
    ["qwen3Thinking", "<|im_end|>\n<|im_start|>assistant\n<think>\n", "open"],
    ["r1", "<｜Assistant｜><think>\n", "open"],
    ["r1Silent", "<｜Assistant｜>", "possible"],
    ["v31", "<｜Assistant｜></think>", "possible"],
    ["spoken", "[no thought][assistant]", "possible"],
  ])("%s: a new answer begins as the template says", (family, head, thought) => {
    expect(opened(family)).toBe(head);
    expect(lower(chat(HI), weights(family)).thought).toBe(thought);
  });

  test("an answer that the template opens otherwise may begin with a thought, or has one that is over", () => {
    const toTool = (prefix?: string) => lower(chat([...HI, says("tool", "4")], prefix), weights("r1Tools"));

    expect([joined(toTool()), toTool().thought]).toEqual(["<｜User｜>Hi4", "possible"]);
    expect(joined(toTool("Sure"))).toBe("<｜User｜>Hi4<think>\n\n</think>\n\nSure");
    expect(toTool("Sure")).not.toHaveProperty("thought");
  });

  test("the marks are control tokens where the vocabulary has them as such", () => {
    const { controls } = QWEN;
    const marked = { ...weights("qwen3"), controls: new Set([...controls, "<think>", "</think>"]) };

    expect(partsOf(lower(chat(HI, "Sure"), marked)).slice(-4)).toEqual([
      control("<think>"),
      { text: "\n\n" },
      control("</think>"),
      { text: "\n\nSure" },
    ]);
  });

  test("a caller who has begun a thought goes on with it", () => {
    expect(opened("qwen3Thinking", "<think>\nHm")).toBe("<|im_end|>\n<|im_start|>assistant\n<think>\nHm");
    expect(opened("r1", "<think>\nHm")).toBe("<｜Assistant｜><think>\nHm");
  });

  test.each<Family>(["qwen3", "r1"])("%s: the thoughts of earlier turns are not shown, the prefix is", (family) => {
    const turns = [...HI, says("assistant", "<think>\nhm\n</think>\n\nHello."), says("user", "More")];

    const prompt = joined(lower(chat(turns, "So </think> it is"), weights(family)));

    expect(prompt).toContain("Hello.");
    expect(prompt).not.toContain("hm");
    expect(prompt.endsWith("\n\nSo </think> it is")).toBe(true);
  });

  test("an answer with a shape has no thought", () => {
    const limits = { stopStrings: [], stopSequences: [], maxInputTokens: 1_000, truncate: false };
    const request = { input: chat(HI), limits, shape: { schema: {}, path: "" } };

    const prompt = promptOf(request, weights("qwen3Thinking"), 1_000);

    expect(joined(prompt).endsWith("assistant\n<think>\n\n</think>\n\n")).toBe(true);
    expect(prompt).not.toHaveProperty("thought");
  });
});

test("weights whose template knows nothing of it are asked as before", () => {
  for (const chatTemplate of Object.values(TEMPLATES)) {
    const prompt = lower(chat(HI, "Sure"), { ...OTHER, chatTemplate });

    expect(joined(prompt)).not.toContain("think");
    expect(lower(chat(HI), { ...OTHER, chatTemplate })).not.toHaveProperty("thought");
  }
});
