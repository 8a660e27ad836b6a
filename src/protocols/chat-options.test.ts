import { describe, expect, test } from "vitest";
import { callOf, cardOf, modelOf, refusal } from "../../test/support/protocol-call.ts";
import { readChat } from "./chat-input.ts";

const user = { role: "user", content: "hi" };
const read = (messages: unknown, fields = {}): unknown => readChat(messages, fields, "dashscope", callOf());

describe("options that would change the answer (docs/wire.md 2.2.1, 6.5)", () => {
  const budget = "The thinking_budget parameter must be a positive integer and not greater than 4096";
  test.each<[object, string, string]>([
    [{ enable_thinking: "yes" }, "invalid_parameter", "'enable_thinking' must be Boolean"],
    [{ enable_search: true }, "invalid_parameter", "This model does not support enable_search."],
    [{ thinking_budget: 0 }, "invalid_parameter", budget],
    [{ thinking_budget: 1.5 }, "invalid_parameter", budget],
    [{ thinking_budget: 5000 }, "invalid_parameter", budget],
    [{ tool_choice: "any" }, "invalid_parameter", 'tool_choice is one of the strings that should be ["none", "auto"]'],
    [
      { tool_choice: "required" },
      "invalid_parameter",
      'tool_choice is one of the strings that should be ["none", "auto"]',
    ],
    [
      { tools: [{ type: "function", function: { name: "search" } }] },
      "invalid_parameter",
      "Tool names are not allowed to be [search]",
    ],
    [{ tools: {} }, "invalid_parameter", "'tools' must be Array"],
  ])("%j", (fields, code, message) => {
    expect(refusal(() => read([user], fields))).toEqual([code, message, Object.keys(fields)[0]]);
  });

  test("thinking has a code of its own", () => {
    expect(refusal(() => read([user], { enable_thinking: true }))).toEqual([
      "thinking_not_supported",
      "The model qwen2.5-coder-0.5b-instruct does not support enable_thinking.",
      "enable_thinking",
    ]);
  });

  test("what asks for nothing passes", () => {
    const fields = {
      enable_thinking: false,
      enable_search: false,
      tools: [],
      tool_choice: "none",
      thinking_budget: null,
    };

    expect(read([user], fields)).toMatchObject({ kind: "chat" });
  });

  test("weights that cannot render messages are named", () => {
    const card = cardOf({ answeredBy: { id: "base", standIn: false, model: modelOf({ chat: false }) } });

    expect(refusal(() => readChat([user], {}, "openai", callOf({ card })))).toEqual([
      "unsupported_input",
      'The model qwen2.5-coder-0.5b-instruct is answered by "base", which has no chat template, so messages cannot be rendered; use the completions route or choose another model.',
      "messages",
    ]);
  });
});
