import { describe, expect, test } from "vitest";
import { askHosted, type Over, SERVICES } from "../../../test/support/hosted-peer.ts";
import { chatChunk, events, remoteRequest, usageChunk } from "../../../test/support/peer-server.ts";
import type { Chat, Infill } from "../../continuation/input.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";
import { ANY_JSON_OBJECT } from "../../continuation/shape.ts";

const CHAT: Chat = { kind: "chat", messages: [{ role: "user", content: [{ text: "Hi" }] }] };
const BEGUN: Chat = { ...CHAT, assistantPrefix: "Hel" };
const GAP: Infill = {
  ...{ kind: "infill", context: [], prefix: "def f():\n", suffix: "\nf()", middle: "", writtenMarkers: 0 },
};
const USER = { role: "user", content: "Hi" };
const STREAM = { model: "their-model", stream: true };
const COUNTED = { ...STREAM, stream_options: { include_usage: true } };
const SCHEMA = { schema: { type: "object", required: ["a"] }, path: "" };

describe("the beginning of an answer", () => {
  const open = { role: "assistant", content: "Hel" };
  test.each<[string, object]>([
    [
      "deepseek",
      { ...COUNTED, messages: [USER, { ...open, prefix: true }], thinking: { type: "disabled" }, max_tokens: 16 },
    ],
    ["mistral", { ...STREAM, messages: [USER, { ...open, prefix: true }], max_tokens: 16 }],
    ["dashscope", { ...COUNTED, messages: [USER, { ...open, partial: true }], enable_thinking: false, max_tokens: 16 }],
    ["moonshot", { ...COUNTED, messages: [USER, { ...open, partial: true }], max_completion_tokens: 16 }],
    ["openrouter", { ...COUNTED, messages: [USER, open], max_tokens: 16, provider: { require_parameters: true } }],
    ["siliconflow", { ...COUNTED, messages: [USER], prefix: "Hel", max_tokens: 16 }],
  ])("%s", async (kind, expected) => {
    const { what, body, text } = await askHosted(kind, { input: BEGUN });

    expect(what).toBe(`POST ${SERVICES[kind]?.chat}`);
    expect(body).toEqual(expected);
    expect(text).toBe("ok");
  });

  test.each<[string, Over, object | undefined]>([
    ["openrouter", { entry: { supported_parameters: ["reasoning", "stop"] } }, { reasoning: { enabled: false } }],
    ["openrouter", { entry: { supported_parameters: ["stop"] } }, undefined],
    ["moonshot", { entry: { supports_reasoning: true } }, { thinking: { type: "disabled" } }],
    ["moonshot", { entry: { supports_reasoning: false } }, undefined],
    ["siliconflow", { model: { thinking: true } }, { enable_thinking: false }],
    ["siliconflow", {}, undefined],
    ["dashscope", { model: { thinking: false } }, undefined],
  ])("%s: a model that thinks is told not to, %j", async (kind, over, fields) => {
    const { body } = await askHosted(kind, { input: BEGUN }, over);
    const told = Object.fromEntries(
      ["reasoning", "thinking", "enable_thinking"].flatMap((key) => (key in body ? [[key, body[key]]] : [])),
    );

    expect(told).toEqual(fields ?? {});
  });

  test("an empty one is none", async () => {
    const { body } = await askHosted("deepseek", { input: { ...CHAT, assistantPrefix: "" } });

    expect(body).toEqual({ ...COUNTED, messages: [USER], max_tokens: 16 });
  });
});

describe("a gap", () => {
  const suffix = { prompt: "def f():\n", suffix: "\nf()", max_tokens: 16 };
  const rendered = "<|fim_prefix|>def f():\n<|fim_suffix|>\nf()<|fim_middle|>";
  test.each<[string, object, Over?]>([
    ["deepseek", { ...COUNTED, ...suffix }],
    ["mistral", { ...STREAM, ...suffix }],
    ["dashscope", { ...COUNTED, prompt: rendered, max_tokens: 16 }],
    ["siliconflow", { ...COUNTED, ...suffix }, { model: { fim: "suffix" } }],
    ["siliconflow", { ...COUNTED, prompt: rendered, max_tokens: 16 }, { model: { fim: "qwen" } }],
    [
      "openrouter",
      { ...COUNTED, prompt: rendered, max_tokens: 16, provider: { require_parameters: true } },
      { model: { fim: "qwen" } },
    ],
  ])("%s", async (kind, expected, over) => {
    const { what, body, text } = await askHosted(kind, { input: GAP }, over);

    expect(what).toBe(`POST ${SERVICES[kind]?.completions}`);
    expect(body).toEqual(expected);
    expect(text).toBe("ok");
  });

  test("what there is of the middle and other files stand in the prompt; nothing behind it is no suffix", async () => {
    const context = [{ text: "# a.py\n" }];
    const { body } = await askHosted("deepseek", { input: { ...GAP, context, middle: "  x", suffix: "" } });

    expect(body).toMatchObject({ prompt: "# a.py\ndef f():\n  x" });
    expect(body).not.toHaveProperty("suffix");
  });

  test("DashScope's template of a text and of a prefix lacks the last marker, and its markers are not charged", async () => {
    for (const input of [remoteRequest().input, { ...GAP, prefix: "Once", suffix: "" }]) {
      const { body, parts } = await askHosted("dashscope", { input });

      expect(body.prompt).toBe("<|fim_prefix|>Once<|fim_suffix|>");
      expect(parts.at(-1)).toMatchObject({ usage: { promptTokens: 7 } });
    }
  });

  test("a model that its list says fills none", async () => {
    const { error, body } = await askHosted(
      "mistral",
      { input: GAP },
      { entry: { capabilities: { completion_chat: true, completion_fim: false } } },
    );

    expect(error).toMatchObject({ code: "unsupported_input", detail: { param: "suffix" } });
    expect(body).toBeUndefined();
  });
});

describe("what a model writes for itself", () => {
  const reasoned = (delta: object): object => ({ choices: [{ index: 0, delta, finish_reason: null }] });

  test.each(["reasoning_content", "reasoning"])("in a field of its own (%s) is no text, and counts", async (field) => {
    const chatAnswer = events(
      reasoned({ [field]: "hm" }),
      reasoned({ [field]: null, content: "Yes" }),
      chatChunk(undefined, "stop"),
      usageChunk(9, 5),
    );
    const { text, parts } = await askHosted("openrouter", { input: CHAT }, { chatAnswer });

    expect(text).toBe("Yes");
    expect(parts.at(-1)).toMatchObject({ usage: { completionTokens: 5, source: "engine" } });
  });

  test.each([CHAT, BEGUN])("within its text is no text either", async (input) => {
    const chatAnswer = events(
      ...["<thi", "nk>\nhm", "</think", ">\n\nYes"].map((each) => chatChunk(each)),
      chatChunk(undefined, "stop"),
      usageChunk(9, 8),
    );
    const { text, parts } = await askHosted("siliconflow", { input }, { chatAnswer });

    expect(text).toBe("Yes");
    expect(parts.at(-1)).toMatchObject({ usage: { completionTokens: 8 } });
  });

  test("is text where the caller has begun it", async () => {
    const chatAnswer = events(chatChunk("hm</think>Yes"), chatChunk(undefined, "stop"), usageChunk(9, 8));
    const begun = { ...CHAT, assistantPrefix: "<think>" };

    expect((await askHosted("dashscope", { input: begun }, { chatAnswer })).text).toBe("hm</think>Yes");
  });
});

describe("settings", () => {
  const sampling = { temperature: 0.1, topP: 0.9, topK: 5, minP: 0.1, seed: -1, presencePenalty: 0.5 };
  test.each<[string, object, readonly string[]]>([
    ["deepseek", { temperature: 0.1, top_p: 0.9 }, ["topK", "minP", "seed", "presencePenalty"]],
    ["mistral", { temperature: 0.1, top_p: 0.9, random_seed: 2 ** 31 - 1, presence_penalty: 0.5 }, ["topK", "minP"]],
    ["dashscope", { temperature: 0.1, top_k: 5, seed: 2 ** 31 - 1, presence_penalty: 0.5 }, ["minP"]],
    ["moonshot", { temperature: 0.1, top_p: 0.9, presence_penalty: 0.5 }, ["topK", "minP", "seed"]],
    ["openrouter", { top_k: 5, min_p: 0.1, seed: 2 ** 31 - 1, presence_penalty: 0.5 }, []],
    ["siliconflow", { top_k: 5, min_p: 0.1, temperature: 0.1 }, ["seed", "presencePenalty"]],
  ])("%s: all are passed on or reported", async (kind, expected, ignored) => {
    const { body, parts } = await askHosted(kind, { input: CHAT, sampling });

    expect(body).toMatchObject(expected);
    expect(parts[0]).toMatchObject({ type: "start", ignored });
  });

  test("Mistral takes a minimum of tokens for a gap", async () => {
    const limits = { ...remoteRequest().limits, minTokens: 3 };

    expect((await askHosted("mistral", { input: GAP, limits })).body.min_tokens).toBe(3);
  });

  test.each([
    ["deepseek", 16],
    ["moonshot", 5],
    ["mistral", 4],
  ])("%s is sent %i stop strings at most", async (kind, most) => {
    const limits = { ...remoteRequest().limits, stopStrings: Array.from({ length: 20 }, (_, index) => `<${index}>`) };

    expect((await askHosted(kind, { input: CHAT, limits })).body.stop).toHaveLength(most);
  });

  test("Moonshot is sent no stop string of more than 32 bytes, and the answer ends there all the same", async () => {
    const long = "ok".padEnd(40, "!");
    const limits = { ...remoteRequest().limits, stopStrings: [long, "春".repeat(11)] };
    const chatAnswer = events(chatChunk(`a${long}b`), chatChunk(undefined, "stop"));
    const { body, text } = await askHosted("moonshot", { input: CHAT, limits }, { chatAnswer });

    expect(body).not.toHaveProperty("stop");
    expect(text).toBe("a");
  });

  test("any JSON object, and a schema where the service takes one", async () => {
    const { body } = await askHosted("deepseek", { input: CHAT, shape: ANY_JSON_OBJECT });
    const moonshot = await askHosted("moonshot", { input: CHAT, shape: SCHEMA });

    expect(body.response_format).toEqual({ type: "json_object" });
    expect(moonshot.body.response_format).toMatchObject({
      type: "json_schema",
      json_schema: { schema: SCHEMA.schema },
    });
  });
});

describe("what is refused before anything is sent", () => {
  const { limits } = remoteRequest();
  const repository = [{ control: "<|file_sep|>" }, { text: "a.py" }] as const;
  test.each<[string, string, Partial<ContinuationRequest>, string, Over?]>([
    ["deepseek", "a schema", { input: CHAT, shape: SCHEMA }, "response_format"],
    ["deepseek", "a grammar", { shape: { gbnf: 'root ::= "a"' } }, "grammar"],
    ["deepseek", "a minimum of tokens", { limits: { ...limits, minTokens: 2 } }, "min_tokens"],
    ["deepseek", "a gap where it is switched off", { input: GAP }, "suffix", { model: { fim: false } }],
    ["deepseek", "markers beside a suffix", { input: { ...GAP, context: repository } }, "prompt"],
    ["deepseek", "a bias", { input: CHAT, sampling: { logitBias: new Map([[1, 1]]) } }, "logit_bias"],
    ["deepseek", "a stop by ids", { limits: { ...limits, stopSequences: [[1]] } }, "stop"],
    ["deepseek", "no end", { limits: { ...limits, ignoreEnds: true } }, "ignore_eos"],
    ["deepseek", "scores of the prompt", { promptLogprobs: true, logprobs: 0 }, "echo"],
    ["deepseek", "token ids", { input: { kind: "tokens", tokens: [1] } }, "prompt"],
    ["mistral", "scores", { input: CHAT, logprobs: 1 }, "logprobs"],
    ["mistral", "a shape behind a prefix", { input: BEGUN, shape: SCHEMA }, "response_format"],
    ["dashscope", "a text that spells a marker", { input: { ...GAP, suffix: "<|fim_middle|>" } }, "prompt"],
    ["dashscope", "scores of a text", { logprobs: 0 }, "logprobs"],
    ["moonshot", "a text", {}, "prompt"],
    ["moonshot", "a gap", { input: GAP }, "prompt"],
    ["openrouter", "a gap without a layout", { input: GAP }, "suffix"],
    ["siliconflow", "a gap that nobody has vouched for", { input: GAP }, "suffix"],
  ])("%s: %s", async (kind, _what, over, param, engine) => {
    const { error, parts, body } = await askHosted(kind, over, engine);

    expect(error).toMatchObject({ code: "unsupported_input", detail: { param } });
    expect(parts).toEqual([]);
    expect(body).toBeUndefined();
  });
});

describe("addresses", () => {
  test.each([
    ["deepseek", "/beta"],
    ["deepseek", "/v1"],
    ["dashscope", ""],
    ["mistral", "/v1/"],
  ])("%s at %s", async (kind, base) => {
    expect((await askHosted(kind, { input: CHAT }, { base })).text).toBe("ok");
  });
});
