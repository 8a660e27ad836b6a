import { describe, expect, test } from "vitest";
import type { Json } from "../../../test/support/calls.ts";
import { never } from "../../../test/support/described-weights.ts";
import {
  chatChunk,
  engineAt,
  events,
  type Heard,
  hear,
  json,
  type PeerAnswer,
  peerServer,
  remoteRequest,
  usageChunk,
} from "../../../test/support/peer-server.ts";
import type { Chat } from "../../continuation/input.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";

/** Written after vLLM's documented wire form (0.12 to 0.26); 0.32.0 on a processor answers alike (test/clients/vllm.ts). */
const MODELS = { object: "list", data: [{ id: "Qwen/Coder", root: "Qwen/Coder", max_model_len: 4096 }] };
const CONTROLS = [
  ...["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"],
  ...["<|repo_name|>", "<|file_sep|>", "<|eot_id|>"],
];

const tokenize: PeerAnswer = (call, response) => {
  const { prompt, messages, add_special_tokens: isWhole } = call.body;
  // What it writes spells something else than ChatML.
  if (messages !== undefined) return json({ tokens: [10 + messages.length] })(call, response);
  const id = CONTROLS.indexOf(prompt);
  const ids = id >= 0 ? [id] : [...prompt].map((character: string) => 100 + (character.charCodeAt(0) % 100));
  return json({ tokens: isWhole ? [7, ...ids] : ids, count: 1, max_model_len: 4096 })(call, response);
};

function chunk(text: string, ids: readonly number[], finish: string | null = null, stop: unknown = null): object {
  const choice = { index: 0, text, logprobs: null, finish_reason: finish, stop_reason: stop, token_ids: ids };
  return { id: "cmpl-1", object: "text_completion", choices: [choice] };
}

const CALL = { name: "f", arguments: '{"a": "<|im_end|>"}' };
const CHAT: Chat = { kind: "chat", messages: [{ role: "user", content: [{ text: "Hi" }] }] };

interface Asked extends Heard {
  readonly body: Json;
  readonly paths: readonly string[];
  readonly model: Json;
}

async function ask(
  over: Partial<ContinuationRequest>,
  answer: PeerAnswer = events(chunk("ok", [500]), chunk("", [2], "stop"), usageChunk(9, 2)),
  isTokenizing = true,
): Promise<Asked> {
  const peer = await peerServer({
    "GET /version": json({ version: "0.26.0" }),
    "GET /v1/models": json(MODELS),
    ...(isTokenizing && { "POST /tokenize": tokenize, "POST /detokenize": json({ prompt: "<|file_sep|>" }) }),
    "POST /v1/completions": answer,
    "POST /v1/chat/completions": answer,
  });
  const engine = engineAt("vllm", peer.url);
  const heard = await hear(engine.generate(remoteRequest(over), never));
  const generating = peer.calls.filter(({ what }) => what.includes("completions"));
  return {
    ...heard,
    body: generating[0]?.body,
    paths: generating.map(({ what }) => what),
    model: await engine.model(never),
  };
}

describe("what is found", () => {
  test("context and layout", async () => {
    expect((await ask({})).model).toEqual({
      id: "Qwen/Coder",
      contextTokens: 4096,
      fim: "qwen",
      chat: true,
      defaults: {},
    });
  });

  test("without a tokenizer, no layout", async () => {
    expect((await ask({}, undefined, false)).model).not.toHaveProperty("fim");
  });
});

describe("what is sent", () => {
  const going = (text: string) =>
    ask({
      input: { kind: "tokens", tokens: [1, 2], answer: text },
      answered: { units: text.length, tokens: [901, 902], tokenHealing: false },
    });

  test("of an answer that goes on, the ids that wrote it, where they spell it", async () => {
    expect((await going("<|file_sep|>")).body.prompt).toEqual([1, 2, 901, 902]);
    expect((await going("ab")).body.prompt).toEqual([1, 2, 197, 198]);
  });

  test("ids with the token that its tokenizer puts first, and every control token as a stop", async () => {
    const { body, paths } = await ask({ input: { kind: "text", parts: [{ text: "ab" }] } });

    expect(paths).toEqual(["POST /v1/completions"]);
    expect(body).toMatchObject({ model: "Qwen/Coder", prompt: [7, 197, 198], max_tokens: 16, return_token_ids: true });
    expect(body.stop_token_ids).toEqual(expect.arrayContaining([0, 1, 2, 3, 4, 5]));
  });

  test("what is left of the context where the caller sets no limit", async () => {
    const { maxTokens: _, ...limits } = remoteRequest().limits;

    expect((await ask({ limits, input: { kind: "tokens", tokens: [1, 2, 3] } })).body.max_tokens).toBe(4093);
  });

  test("of a chat that goes on, the ids of its dialogue and those that wrote the answer", async () => {
    const goingOn = (over: Partial<ContinuationRequest> = {}) =>
      ask({
        input: { ...CHAT, assistantPrefix: "Well, <|file_sep|>" },
        answered: { units: 12, tokens: [901, 902], tokenHealing: false },
        ...over,
      });

    expect(await goingOn()).toMatchObject({ paths: ["POST /v1/completions"], body: { prompt: [12, 901, 902] } });
    const unlike = await goingOn({
      input: { ...CHAT, assistantPrefix: "Well, nothing else" },
      answered: { units: 12, tokens: [901, 902], tokenHealing: false },
    });
    expect(unlike.paths).toEqual(["POST /v1/chat/completions"]);
    expect((await goingOn({ shape: { gbnf: 'root ::= "a"' } })).error).toMatchObject({ code: "unsupported_input" });
  });

  test("its own settings, and a shape as it takes it", async () => {
    const schema = { type: "object" };
    const limits = { ...remoteRequest().limits, minTokens: 2, stopSequences: [[9], [8, 9]] };
    const { body } = await ask({
      sampling: { topK: 0, minP: 0.1, repetitionPenalty: 1.1 },
      limits,
      shape: { schema, path: "" },
    });

    expect(body).toMatchObject({ top_k: -1, min_p: 0.1, repetition_penalty: 1.1, min_tokens: 2 });
    expect(body.response_format.json_schema.schema).toEqual(schema);
    expect(body.stop_token_ids).toContain(9);
    expect((await ask({ shape: { gbnf: 'root ::= "a"' } })).body.structured_outputs).toEqual({
      grammar: 'root ::= "a"',
    });
  });

  test("a chat as messages, the open turn as vLLM continues one", async () => {
    const answer = events(chatChunk(""), chatChunk("lo"), chatChunk(undefined, "stop"), usageChunk(9, 2));
    const { body, paths, text } = await ask({ input: { ...CHAT, assistantPrefix: "Hel" } }, answer);

    expect(paths).toEqual(["POST /v1/chat/completions"]);
    expect(body).toMatchObject({ continue_final_message: true, add_generation_prompt: false });
    expect(body.stream_options).toEqual({ include_usage: true, continuous_usage_stats: true });
    expect(body.messages.at(-1)).toEqual({ role: "assistant", content: "Hel" });
    expect(text).toBe("lo");
    expect((await ask({ input: CHAT }, answer)).body).not.toHaveProperty("continue_final_message");
  });

  test.each<[string, Partial<ContinuationRequest>]>([
    ["a text", { input: { kind: "text", parts: [{ text: "a <|im_end|>" }] } }],
    [
      "an end of another family",
      { input: { ...CHAT, messages: [{ role: "user", content: [{ text: "<|eot_id|>" }] }] } },
    ],
    ["a message", { input: { ...CHAT, messages: [{ role: "user", content: [{ text: "<|im_start|>system" }] }] } }],
    ["the beginning of an answer", { input: { ...CHAT, assistantPrefix: "<|im_end|>" } }],
    ["a tool call", { input: { ...CHAT, messages: [{ role: "assistant", content: [], toolCalls: [CALL] }] } }],
  ])("nothing for %s that spells a control token, as vLLM would read one", async (_what, over) => {
    const { error, paths } = await ask(over);

    expect(error).toMatchObject({ code: "unsupported_input" });
    expect(paths).toEqual([]);
  });
});

describe("what is read", () => {
  const counts = async (...chunks: readonly object[]): Promise<unknown> =>
    (await ask({}, events(...chunks, usageChunk(9, 9)))).parts.at(-1);

  test("ids, of which an end token is no part of the answer", async () => {
    const { parts } = await ask({}, events(chunk("a", [500]), chunk("b", [501, 2], "stop"), usageChunk(9, 3)));

    expect(parts.flatMap((part) => (part.type === "delta" ? (part.tokens ?? []) : []))).toEqual([500, 501]);
    expect(parts.at(-1)).toMatchObject({ usage: { promptTokens: 4, completionTokens: 2, source: "engine" } });
  });

  test("the prompt of a chat that breaks off is the one that vLLM counted", async () => {
    const usage = { prompt_tokens: 20, completion_tokens: 1 };
    const begun = { ...chatChunk("lo"), usage };
    const { parts, error } = await ask({ input: CHAT }, events(begun));

    expect(error).toBeDefined();
    expect(parts.at(-1)).toMatchObject({ type: "usage", usage: { promptTokens: 20 } });
  });

  test("a stop id ends it and does not count, a stop string counts, a limit cuts nothing off", async () => {
    expect(await counts(chunk("a", [500, 77], "stop", 77))).toMatchObject({ usage: { completionTokens: 1 } });
    expect(await counts(chunk("a", [500, 501], "stop", "x"))).toMatchObject({ usage: { completionTokens: 2 } });
    expect(await counts(chunk("a", [500, 501], "length"))).toMatchObject({ usage: { completionTokens: 2 } });
  });

  test("an older one that tells no ids: its own count", async () => {
    const { token_ids: _, ...choice } = (chunk("a", [], "stop") as { choices: [{ token_ids: number[] }] }).choices[0];

    const { parts } = await ask({}, events({ choices: [choice] }, usageChunk(9, 4)));

    expect(parts.at(-1)).toMatchObject({ usage: { promptTokens: 4, completionTokens: 4, source: "engine" } });
    const limits = { ...remoteRequest().limits, stopSequences: [[8, 9]] };
    const { error, parts: none } = await ask({ limits }, events({ choices: [choice] }));
    expect(error).toMatchObject({ code: "unsupported_input", detail: { param: "stop" } });
    expect(none).toEqual([]);
  });
});

test("a prompt of ids is what the embedded engine would be given; text and other templates than ChatML are the engine's own affair", async () => {
  const guarantees = [await ask({}), await ask({}, undefined, false), await ask({ input: CHAT })];

  expect(guarantees.map(({ parts }) => parts[0])).toMatchObject([
    { guarantee: "exact" },
    { guarantee: "native" },
    { guarantee: "native" },
  ]);
});
