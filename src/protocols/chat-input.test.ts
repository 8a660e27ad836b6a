import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { callOf, cardOf, refusal } from "../../test/support/protocol-call.ts";
import { readChat } from "./chat-input.ts";
import type { Dialect } from "./protocol.ts";

const user = { role: "user", content: "hi" };
const text = (content: string): readonly object[] => (content === "" ? [] : [{ text: content }]);
const read = (messages: unknown, fields = {}, dialect: Dialect = "dashscope"): unknown =>
  readChat(messages, fields, dialect, callOf());

const WRONG_ROLE =
  'Role must be in ["user","assistant","system","function","plugin","tool"] and the role in last message must be in ["user","function","tool"]';
const HOW_TO_CONTINUE = `${WRONG_ROLE}. To have the last assistant message continued, set "partial": true in that message.`;
const TOOL_ORDER = 'Messages with role "tool" must be a response to a preceding message with "tool_calls"';
const call = { id: "1", type: "function", function: { name: "f", arguments: '{"a":1}' } };

describe("messages", () => {
  test("roles the domain does not know go by the closest one", () => {
    const messages = [
      { role: "system", content: "s" },
      { role: "plugin", content: "p" },
      { role: "assistant", content: null, tool_calls: [call] },
      { role: "tool", content: "t", tool_call_id: "1" },
      { role: "tool", content: "u", tool_call_id: "2" },
      { role: "function", content: "f" },
    ];

    expect(read(messages)).toEqual({
      kind: "chat",
      messages: [
        { role: "system", content: text("s") },
        { role: "tool", content: text("p") },
        { role: "assistant", content: [], toolCalls: [{ name: "f", arguments: '{"a":1}' }] },
        { role: "tool", content: text("t") },
        { role: "tool", content: text("u") },
        { role: "tool", content: text("f") },
      ],
    });
  });

  test("the OpenAI dialect knows developers, the DashScope paths do not", () => {
    const messages = [{ role: "developer", content: "d" }, user];

    expect(read(messages, {}, "openai")).toMatchObject({ messages: [{ role: "system" }, { role: "user" }] });
    expect(refusal(() => read(messages))[1]).toBe(WRONG_ROLE);
  });

  test("text parts are joined without anything between them", () => {
    const content = [{ type: "text", text: " a\n" }, { text: "b" }];

    expect(read([{ role: "user", content }])).toMatchObject({ messages: [{ content: text(" a\nb") }] });
  });

  test("infill and repository markers are controls, ChatML tokens stay text", () => {
    const content = "<|im_start|>x<|fim_prefix|>y<|endoftext|><|file_sep|><|im_end|>";

    expect(read([{ role: "user", content }])).toMatchObject({
      messages: [
        {
          content: [
            { text: "<|im_start|>x" },
            { control: "<|fim_prefix|>" },
            { text: "y<|endoftext|>" },
            { control: "<|file_sep|>" },
            { text: "<|im_end|>" },
          ],
        },
      ],
    });
  });

  test.each([
    ["no messages", [], "[] is too short"],
    ["no list", "hi", "The provided messages input is invalid: it should be an array of messages."],
    ["no object", ["hi"], "Input should be a valid dictionary or instance of GPT3Message"],
    ["null", [null], "Input should be a valid dictionary or instance of GPT3Message"],
    ["unknown role", [{ role: "bot", content: "x" }], WRONG_ROLE],
    ["inherited role", [{ role: "toString", content: "x" }], WRONG_ROLE],
    ["no role", [{ content: "x" }], WRONG_ROLE],
    ["system last", [user, { role: "system", content: "x" }], WRONG_ROLE],
    ["plugin last", [user, { role: "plugin", content: "x" }], WRONG_ROLE],
    ["no content", [{ role: "user" }], "The content field is a required field."],
    ["null content", [{ role: "user", content: null }], "The content field is a required field."],
    ["a number as content", [{ role: "user", content: 1 }], "input content must be a string."],
    [
      "an image",
      [{ role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }],
      "input content must be a string.",
    ],
    ["a part without text", [{ role: "user", content: [{ type: "text" }] }], "input content must be a string."],
    ["tool without call", [user, { role: "tool", content: "x" }], TOOL_ORDER],
    [
      "tool after another turn",
      [user, { role: "assistant", content: null, tool_calls: [call] }, user, { role: "tool", content: "x" }],
      TOOL_ORDER,
    ],
    [
      "malformed calls",
      [{ role: "assistant", content: "", tool_calls: [{}] }, user],
      "The provided messages input is invalid: tool_calls of message 0 should hold functions with a name and arguments, both strings.",
    ],
  ])("%s is refused", (_, messages, message) => {
    expect(refusal(() => read(messages))).toEqual(["invalid_parameter", message, "messages"]);
  });
});

describe("Partial Mode on DashScope paths (docs/wire.md 4.3)", () => {
  const open = (fields: object): readonly object[] => [
    user,
    { role: "assistant", content: "In", partial: true, ...fields },
  ];

  test("the last assistant message with partial is the prefix, byte for byte", () => {
    expect(read(open({ content: " \n春天\t " }))).toEqual({
      kind: "chat",
      messages: [{ role: "user", content: text("hi") }],
      assistantPrefix: " \n春天\t ",
    });
  });

  test.each([
    ["an empty prefix", open({ content: "" }), ""],
    [
      "a prefix in parts",
      open({
        content: [
          { type: "text", text: "a" },
          { type: "text", text: "b" },
        ],
      }),
      "ab",
    ],
    ["a name beside it", open({ name: "Bob" }), "In"],
    ["only the partial message", [{ role: "assistant", content: "x", partial: true }], "x"],
    ["an earlier one too", [{ role: "assistant", content: "a", partial: true }, ...open({})], "In"],
  ])("%s is accepted", (_, messages, prefix) => {
    expect(read(messages)).toMatchObject({ assistantPrefix: prefix });
  });

  test("partial on an earlier assistant message only is a normal closed turn", () => {
    expect(read([{ role: "assistant", content: "a", partial: true }, user])).toEqual({
      kind: "chat",
      messages: [
        { role: "assistant", content: text("a") },
        { role: "user", content: text("hi") },
      ],
    });
  });

  test.each([
    ["no flag", open({ partial: undefined }), HOW_TO_CONTINUE],
    ["null", open({ partial: null }), HOW_TO_CONTINUE],
    ["false", open({ partial: false }), HOW_TO_CONTINUE],
    ["prefix instead", open({ partial: undefined, prefix: true }), HOW_TO_CONTINUE],
    ["a string", open({ partial: "true" }), "'partial' must be Boolean"],
    ["a number", open({ partial: 1 }), "'partial' must be Boolean"],
    ["missing content", open({ content: undefined }), "The content field is a required field."],
    ["null content", open({ content: null }), "The content field is a required field."],
    ["tool calls", open({ tool_calls: [call] }), "tool_calls are not supported in a partial message."],
    [
      "a user message",
      [{ role: "user", content: "x", partial: true }],
      "partial is only supported in the last assistant message.",
    ],
    [
      "a system message",
      [{ role: "system", content: "x", partial: true }, user],
      "partial is only supported in the last assistant message.",
    ],
  ])("%s is refused", (_, messages, message) => {
    const [code, said] = refusal(() => read(messages));

    expect([code, said]).toEqual(["invalid_parameter", message]);
  });

  test("continue_final_message is no alias there", () => {
    expect(refusal(() => read(open({ partial: undefined }), { continue_final_message: true }))[1]).toBe(
      HOW_TO_CONTINUE,
    );
  });

  test("thinking and forced functions do not go with it", () => {
    const on = (fields: object): string | undefined => refusal(() => read(open({}), fields))[1];

    expect(on({ enable_thinking: true })).toBe("The partial parameter is not supported when enable_thinking is true");
    expect(on({ tools: [call], tool_choice: { type: "function", function: { name: "f" } } })).toMatch(
      /^tool_choice cannot force a function call/,
    );
    expect(read(open({}), { enable_thinking: false, tools: [call], tool_choice: "auto" })).toBeDefined();
  });

  test("a model off the list is refused, but not in the OpenAI dialect", () => {
    const off = callOf({ card: cardOf({ name: "qwen-x", partial: false }) });

    expect(refusal(() => readChat(open({}), {}, "dashscope", off))[1]).toBe(
      "The model qwen-x does not support partial mode.",
    );
    expect(readChat([user], {}, "dashscope", off).assistantPrefix).toBeUndefined();
    expect(readChat(open({}), {}, "openai", off).assistantPrefix).toBe("In");
  });
});

describe("assistant prefixes in the OpenAI dialect (docs/wire.md 1.2a)", () => {
  const ask = (flags: object, fields = {}): unknown =>
    read([user, { role: "assistant", content: "In", ...flags }], fields, "openai");

  test.each([
    [{}, {}],
    [{ partial: true }, {}],
    [{ prefix: true }, {}],
    [{}, { continue_final_message: true }],
    [
      { partial: true, prefix: true },
      { continue_final_message: true, add_generation_prompt: false },
    ],
    [{ partial: null, prefix: null }, { continue_final_message: null }],
  ])("message %j with %j is continued", (flags, fields) => {
    expect(ask(flags, fields)).toMatchObject({ assistantPrefix: "In" });
  });

  test.each([
    [{ partial: false }, {}],
    [{ prefix: false }, {}],
    [{}, { continue_final_message: false }],
    [{ partial: false, prefix: false }, {}],
  ])("message %j with %j is a closed turn", (flags, fields) => {
    expect(ask(flags, fields)).toEqual({
      kind: "chat",
      messages: [
        { role: "user", content: text("hi") },
        { role: "assistant", content: text("In") },
      ],
    });
  });

  const contradiction = "partial, prefix and continue_final_message contradict each other in the last message.";
  test.each<[object, object, string]>([
    [{ partial: true, prefix: false }, {}, contradiction],
    [{ partial: false }, { continue_final_message: true }, contradiction],
    [{ prefix: true }, { continue_final_message: false }, contradiction],
    [
      {},
      { continue_final_message: true, add_generation_prompt: true },
      "continue_final_message and add_generation_prompt cannot both be true.",
    ],
    [{ prefix: "yes" }, {}, "'prefix' must be Boolean"],
    [{}, { continue_final_message: 1 }, "'continue_final_message' must be Boolean"],
  ])("message %j with %j is refused", (flags, fields, message) => {
    expect(refusal(() => ask(flags, fields))[1]).toBe(message);
  });

  test("continue_final_message needs a last assistant message", () => {
    expect(refusal(() => read([user], { continue_final_message: true }, "openai"))[1]).toBe(
      "continue_final_message needs a last message with the role assistant.",
    );
    expect(read([user], { continue_final_message: false }, "openai")).toMatchObject({ kind: "chat" });
  });
});

test("contents come out byte for byte, whatever they hold", () => {
  const content = fc
    .array(
      fc.oneof(
        fc.constantFrom("<|fim_prefix|>", "<|im_end|>", "<|file_sep|>", "<|", "\n"),
        fc.string({ unit: "binary" }),
      ),
    )
    .map((pieces) => pieces.join(""));
  fc.assert(
    fc.property(content, content, (asked, prefix) => {
      const call = callOf();
      const messages = [
        { role: "user", content: asked },
        { role: "assistant", content: prefix, partial: true },
      ];

      const chat = readChat(messages, {}, "dashscope", call);

      const shown = chat.messages[0]?.content.map((part) => ("text" in part ? part.text : part.control)).join("");
      expect(shown).toBe(asked);
      expect(chat.assistantPrefix).toBe(prefix);
    }),
    { numRuns: 1000 },
  );
});
