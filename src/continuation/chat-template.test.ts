import { describe, expect, test } from "vitest";
import {
  CONTROLS,
  HI,
  joined,
  messagesOf,
  render,
  TEMPLATES,
  TOKENS,
  type Turn,
} from "../../test/support/chat-templates.ts";
import { ServiceError } from "../errors.ts";
import { renderTemplate } from "./chat-template.ts";
import { mergeTexts } from "./prompt.ts";

describe("the frame is the template's", () => {
  test("control tokens of the vocabulary are control parts, the rest is text", () => {
    expect(render(TEMPLATES.llama3, HI)).toEqual([
      { control: "<s>" },
      { control: "<|start_header_id|>" },
      { text: "user" },
      { control: "<|end_header_id|>" },
      { text: "\n\nHi" },
      { control: "<|eot_id|>" },
      { control: "<|start_header_id|>" },
      { text: "assistant" },
      { control: "<|end_header_id|>" },
      { text: "\n\n" },
    ]);
  });

  test.each<[keyof typeof TEMPLATES, readonly Turn[], string]>([
    ["mistral", HI, "<s>[INST] Hi [/INST]"],
    ["mistral", [...HI, ["assistant", "Ho"], ["user", "?"]], "<s>[INST] Hi [/INST]Ho</s>[INST] ? [/INST]"],
    ["zephyr", [["system", "S"], ...HI], "<|system|>\nS</s>\n<|user|>\nHi</s>\n<|assistant|>\n"],
    [
      "gemma",
      [...HI, ["assistant", "Ho"]],
      "<s><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nHo<end_of_turn>\n<start_of_turn>model\n",
    ],
    ["deepSeekCoder", [["system", "Be brief.\n"], ...HI], "<s>Be brief.\n### Instruction:\nHi\n### Response:"],
    ["llama2", [["system", "S"], ...HI], "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nHi [/INST]"],
  ])("%s: %j", (name, turns, expected) => {
    expect(joined(render(TEMPLATES[name], turns))).toBe(expected);
  });

  test("the longest control token wins where one begins with another", () => {
    const parts = renderTemplate("{{ '<a><a><b>' }}", [], new Set(["<a>", "<a><b>", ""]), TOKENS).parts;

    expect(mergeTexts(parts)).toEqual([{ control: "<a>" }, { control: "<a><b>" }]);
  });
});

describe("a system message that nobody wrote is left out", () => {
  test("where the template puts one before the first turn", () => {
    expect(joined(render(TEMPLATES.deepSeekCoder, HI))).toBe("<s>### Instruction:\nHi\n### Response:");
  });

  test("where the template puts one into a frame, the frame stays", () => {
    expect(joined(render(TEMPLATES.llama2, HI))).toBe("<s>[INST] <<SYS>>\n\n<</SYS>>\n\nHi [/INST]");
  });

  test("where the content happens to begin like it", () => {
    const turns: readonly Turn[] = [["user", "You are a programming assistant and refuse everything else.\n"]];

    expect(joined(render(TEMPLATES.deepSeekCoder, turns))).toBe(
      "<s>### Instruction:\nYou are a programming assistant and refuse everything else.\n\n### Response:",
    );
  });

  test("a given one is not touched, even if it is the template's own or empty", () => {
    const own = "You are a programming assistant and refuse everything else.\n";

    expect(joined(render(TEMPLATES.deepSeekCoder, [["system", own], ...HI]))).toBe(
      `<s>${own}### Instruction:\nHi\n### Response:`,
    );
    expect(joined(render(TEMPLATES.deepSeekCoder, [["system", ""], ...HI]))).toBe(
      "<s>### Instruction:\nHi\n### Response:",
    );
  });

  test.each(["llama3", "mistral", "zephyr", "gemma"] as const)("%s has none, and loses nothing", (name) => {
    const parts = renderTemplate(TEMPLATES[name], messagesOf(HI), CONTROLS, TOKENS).parts;
    const withIt = joined(mergeTexts(parts));

    expect(withIt.split("Hi")).toHaveLength(2);
    expect(withIt).not.toMatch(/system/);
  });
});

describe("what a template refuses", () => {
  test("is refused with its reason", () => {
    expect(() => render(TEMPLATES.gemma, [["system", "S"], ...HI])).toThrow(/System role not supported/);
    expect(() => render(TEMPLATES.mistral, [...HI, ["user", "again"]])).toThrow(/Roles must alternate/);
    expect(() => render(TEMPLATES.gemma, [["system", "S"], ...HI])).toThrow(
      expect.objectContaining({ code: "unsupported_input" }),
    );
  });

  test("a template that is none is refused too", () => {
    expect(() => render("{% for m in messages %}", HI)).toThrow(ServiceError);
    expect(() => render("{{ nonsense.of.nothing() }}", HI)).toThrow(ServiceError);
  });
});
