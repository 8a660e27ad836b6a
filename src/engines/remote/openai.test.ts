import { describe, expect, test } from "vitest";
import type { Json } from "../../../test/support/calls.ts";
import { never } from "../../../test/support/described-weights.ts";
import {
  chatChunk,
  completionChunk,
  type EngineOver,
  engineAt,
  events,
  type Heard,
  hear,
  json,
  LIST,
  peerServer,
  remoteRequest,
  usageChunk,
} from "../../../test/support/peer-server.ts";
import type { Chat, Infill } from "../../continuation/input.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";
import type { PrefixSpelling } from "./peer.ts";

const CHAT: Chat = { kind: "chat", messages: [{ role: "user", content: [{ text: "Hi" }] }] };
const GAP: Infill = {
  ...{ kind: "infill", context: [], prefix: "def f():\n", suffix: "\nf()", middle: "", writtenMarkers: 3 },
};
const QWEN: EngineOver = { model: { fim: "qwen" } };

interface Asked extends Heard {
  readonly body: Json;
  readonly headers: Json;
}

async function ask(over: Partial<ContinuationRequest>, engine: EngineOver = {}): Promise<Asked> {
  const peer = await peerServer({
    "GET /v1/models": LIST,
    "POST /v1/completions": events(completionChunk("ok"), completionChunk("", "stop"), usageChunk(9, 1)),
    "POST /v1/chat/completions": events(chatChunk(""), chatChunk("ok"), chatChunk(undefined, "stop"), usageChunk(9, 1)),
  });
  const heard = await hear(engineAt("openai", peer.url, engine).generate(remoteRequest(over), never));
  const call = peer.calls.find(({ what }) => what.startsWith("POST"));
  return { ...heard, body: call?.body, headers: call?.headers };
}

describe("what is sent", () => {
  test("a raw text, the first model listed, and nothing that nobody wished", async () => {
    const { body, text } = await ask({
      defaults: { model: { temperature: 0.7, topP: 0.8, topK: 20 }, operator: {} },
    });

    expect(body).toEqual({
      ...{ model: "their-model", prompt: "Once", max_tokens: 16 },
      ...{ stream: true, stream_options: { include_usage: true } },
    });
    expect(text).toBe("ok");
  });

  test("the caller's sampling over the operator's", async () => {
    const { body, parts } = await ask({
      sampling: { temperature: 0.1, topK: 5, seed: 3, logitBias: new Map([[7, -1]]) },
      defaults: { model: { topP: 0.8 }, operator: { temperature: 0.9, presencePenalty: 0.5, minP: 0.1 } },
    });

    expect(body).toMatchObject({ temperature: 0.1, presence_penalty: 0.5, seed: 3, logit_bias: { 7: -1 } });
    expect(body).not.toHaveProperty("top_p");
    expect(body).not.toHaveProperty("top_k");
    // Of what the engine does not have, the caller is told what the caller asked for.
    expect(parts[0]).toMatchObject({ type: "start", model: "their-model", ignored: ["topK"] });
  });

  test("settings beyond OpenAI's, where the operator says that they are taken", async () => {
    const { body, parts } = await ask(
      { sampling: { topK: 5, repetitionPenalty: 1.2 } },
      { model: { fields: new Set(["top_k"]) } },
    );

    expect(body).toMatchObject({ top_k: 5 });
    expect(parts[0]).toMatchObject({ ignored: ["repetitionPenalty"] });
  });

  test("four stop strings at most, and none that could never come first; all of them end the answer", async () => {
    const limits = { ...remoteRequest().limits, stopStrings: ["aXb", "X", "1", "2", "3", "k"] };
    const { body, text } = await ask({ limits });

    expect(body.stop).toEqual(["X", "1", "2", "3"]);
    expect(text).toBe("o");
  });

  test("a gap in the layout that was configured, never as a suffix", async () => {
    const { body, parts } = await ask({ input: GAP }, QWEN);

    expect(body.prompt).toBe("<|fim_prefix|>def f():\n<|fim_suffix|>\nf()<|fim_middle|>");
    expect(body).not.toHaveProperty("suffix");
    expect(parts.at(-1)).toMatchObject({ usage: { promptTokens: 9 } });
  });

  test("markers that we add are not charged", async () => {
    const { parts } = await ask({ input: { ...GAP, writtenMarkers: 0 } }, QWEN);

    expect(parts.at(-1)).toMatchObject({ usage: { promptTokens: 6 } });
  });

  test("the key of the configuration", async () => {
    expect((await ask({}, { apiKey: "sk-theirs" })).headers.authorization).toBe("Bearer sk-theirs");
    expect((await ask({})).headers).not.toHaveProperty("authorization");
  });

  test.each<[PrefixSpelling, object, object]>([
    ["plain", { content: "Hel" }, {}],
    ["partial", { content: "Hel", partial: true }, {}],
    ["prefix", { content: "Hel", prefix: true }, {}],
    ["continue_final_message", { content: "Hel" }, { continue_final_message: true, add_generation_prompt: false }],
  ])("the beginning of an answer, spelt %s", async (prefix, message, fields) => {
    const { body, text } = await ask({ input: { ...CHAT, assistantPrefix: "Hel" } }, { model: { prefix } });

    expect(body.messages).toEqual([
      { role: "user", content: "Hi" },
      { role: "assistant", ...message },
    ]);
    expect(body).toMatchObject(fields);
    expect(text).toBe("ok");
  });

  test("an answer's shape in a chat", async () => {
    const schema = { type: "object" };
    const { body } = await ask({ input: CHAT, shape: { schema, path: "" } });

    expect(body.response_format).toEqual({ type: "json_schema", json_schema: { name: "answer", schema } });
  });

  test("without a limit of the caller's, what the operator or the context allows, as theirs would be 16", async () => {
    const { maxTokens: _, ...limits } = remoteRequest().limits;

    expect((await ask({ limits }, { model: { maxOutputTokens: 500 } })).body.max_tokens).toBe(500);
    expect((await ask({ limits }, { model: { contextTokens: 100 } })).body.max_tokens).toBe(98);
    expect((await ask({ limits })).body).not.toHaveProperty("max_tokens");
  });
});

describe("what is refused before anything is sent", () => {
  const limits = remoteRequest().limits;
  test.each<[string, Partial<ContinuationRequest>, string, EngineOver?]>([
    ["the beginning of an answer", { input: { ...CHAT, assistantPrefix: "Hel" } }, "messages"],
    ["a suffix without a layout", { input: GAP }, "suffix"],
    ["token ids", { input: { kind: "tokens", tokens: [1] } }, "prompt"],
    ["a stop by ids", { limits: { ...limits, stopSequences: [[1]] } }, "stop"],
    ["a minimum of tokens", { limits: { ...limits, minTokens: 2 } }, "min_tokens"],
    ["no end", { limits: { ...limits, ignoreEnds: true } }, "ignore_eos"],
    ["a grammar", { shape: { gbnf: 'root ::= "a"' } }, "grammar"],
    ["scores of the prompt", { promptLogprobs: true, logprobs: 0 }, "echo"],
    ["a text that spells a marker", { input: { ...GAP, suffix: "<|fim_middle|>" } }, "prompt", QWEN],
    [
      "a message that does",
      { input: { kind: "chat", messages: [{ role: "user", content: [{ text: "<|im_end|>" }] }] } },
      "messages",
      QWEN,
    ],
  ])("%s", async (_what, over, param, engine) => {
    const { error, parts, body } = await ask(over, engine);

    expect(error).toMatchObject({ code: "unsupported_input", detail: { param } });
    expect(parts).toEqual([]);
    expect(body).toBeUndefined();
  });
});

describe("what is read", () => {
  async function said(...chunks: readonly unknown[]): Promise<Heard> {
    const peer = await peerServer({ "GET /v1/models": LIST, "POST /v1/chat/completions": events(...chunks) });
    return hear(engineAt("openai", peer.url).generate(remoteRequest({ input: CHAT, logprobs: 1 }), never));
  }

  test.each([
    ["stop", "stop"],
    ["length", "length"],
    ["eos_token", "stop"],
    ["content_filter", "content_filter"],
  ])("the end %s is %s, and the engine's own word stays with it", async (raw, reason) => {
    const { parts } = await said(chatChunk("a"), chatChunk(undefined, raw));

    expect(parts).toContainEqual({ type: "finish", choice: 0, reason, raw });
  });

  test("reasoning is no content", async () => {
    const thinking = { choices: [{ index: 0, delta: { reasoning_content: "hm" }, finish_reason: null }] };

    expect((await said(thinking, chatChunk("a"), chatChunk(undefined, "stop"))).text).toBe("a");
  });

  test("log probabilities, with the bytes of every token", async () => {
    const logprob = { token: "a", bytes: [97], logprob: -0.5 };
    const content = [{ ...logprob, top_logprobs: [logprob] }];
    const chunk = { choices: [{ index: 0, delta: { content: "a" }, logprobs: { content }, finish_reason: null }] };
    const { parts } = await said(chunk, chatChunk(undefined, "stop"));

    const score = { bytes: [97], logprob: -0.5 };
    expect(parts).toContainEqual({ type: "delta", choice: 0, text: "a", logprobs: [{ ...score, top: [score] }] });
  });

  test("an engine without a list of models, where the model is named", async () => {
    const peer = await peerServer({ "POST /v1/completions": events(completionChunk("ok", "stop")) });
    const engine = engineAt("openai", peer.url, { model: { model: "named" } });

    expect((await hear(engine.generate(remoteRequest(), never))).text).toBe("ok");
    expect(peer.to("POST /v1/completions")[0]?.body.model).toBe("named");
  });

  test("a base path of its own", async () => {
    const peer = await peerServer({
      "GET /api/paas/v4/models": json({ data: [{ id: "m" }] }),
      "POST /api/paas/v4/completions": events(completionChunk("ok", "stop")),
    });

    const { text } = await hear(engineAt("openai", `${peer.url}/api/paas/v4/`).generate(remoteRequest(), never));

    expect(text).toBe("ok");
  });
});
