import { describe, expect, test } from "vitest";
import type { Json } from "../../../test/support/calls.ts";
import { never } from "../../../test/support/described-weights.ts";
import {
  type EngineOver,
  engineAt,
  hear,
  inPieces,
  json,
  type PeerAnswer,
  peerServer,
  remoteRequest,
} from "../../../test/support/peer-server.ts";
import { describeReplays } from "../../../test/support/replays.ts";
import type { Chat, Infill } from "../../continuation/input.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";
import { ANY_JSON_OBJECT } from "../../continuation/shape.ts";

/** Written after Ollama's sources and reference of 2026 (0.12.11 and later). */
const LINES = "application/x-ndjson";
const CHATML = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
const CODER = [...CHATML, "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|fim_pad|>", "<|repo_name|>"];
const USER: Chat = { kind: "chat", messages: [{ role: "user", content: [{ text: "Hi" }] }] };
const GAP: Infill = { kind: "infill", context: [], prefix: "f(", suffix: ")", middle: "", writtenMarkers: 0 };

function show(controls: readonly string[], over: object = {}): object {
  const tokens = ["a", "b", "\n\n", ...controls];
  const types = [1, 1, 4, ...controls.map(() => 3)];
  return {
    template: "{{ .Prompt }}",
    capabilities: ["completion"],
    model_info: {
      "tokenizer.ggml.tokens": tokens,
      "tokenizer.ggml.token_type": types,
      "tokenizer.ggml.eos_token_id": 3,
    },
    ...over,
  };
}

const said = (response: string, over: object = {}): string =>
  `${JSON.stringify({ model: "coder:latest", created_at: "2026-01-01T00:00:00Z", response, done: false, ...over })}\n`;
const spoken = (content: string, over: object = {}): string =>
  `${JSON.stringify({ model: "coder:latest", message: { role: "assistant", content }, done: false, ...over })}\n`;
const END = { done: true, done_reason: "stop", total_duration: 9, prompt_eval_count: 7, eval_count: 3 };

interface Over extends EngineOver {
  readonly version?: string;
  readonly shown?: object;
  readonly answer?: PeerAnswer;
}

async function ask(over: Partial<ContinuationRequest>, options: Over = {}) {
  const { version = "0.30.1", shown = show([...CODER, "<|file_sep|>"]), answer, ...engine } = options;
  const peer = await peerServer({
    "GET /api/version": json({ version }),
    "GET /api/tags": json({ models: [{ name: "coder:latest", digest: "sha256:1" }, { name: "other:7b" }] }),
    "POST /api/show": json(shown),
    "POST /api/generate": answer ?? inPieces(LINES, said("ok"), said("", END)),
    "POST /api/chat": answer ?? inPieces(LINES, spoken("ok"), spoken("", END)),
  });
  const remote = engineAt("ollama", peer.url, engine);
  const heard = await hear(remote.generate(remoteRequest(over), never));
  const asked = peer.calls.find(({ what }) => /generate|chat/.test(what));
  const body: Json = asked?.body;
  return { ...heard, what: asked?.what, body, remote, shownOf: peer.to("POST /api/show")[0]?.body };
}

describe("what is found", () => {
  test("layout and size of the vocabulary, and the context of the Modelfile", async () => {
    const parameters = 'num_ctx                        8192\nstop                           "<|im_end|>"';
    const shown = { ...show([...CODER, "<|file_sep|>"]), parameters };
    const { remote, shownOf } = await ask({}, { shown });

    expect(shownOf).toEqual({ model: "coder:latest", verbose: true });
    expect(await remote.model(never)).toEqual({
      id: "coder:latest",
      contextTokens: 8192,
      vocabularySize: 12,
      fim: "qwen",
      chat: true,
      defaults: {},
    });
  });

  test("a model that it does not tell the vocabulary of fills gaps if it says so, and takes no prefix", async () => {
    const shown = { capabilities: ["completion", "insert"], template: "", model_info: {} };
    const { remote } = await ask({}, { shown });

    expect(await remote.model(never)).toMatchObject({ fim: "suffix", partial: false });
  });

  test.each(["0.12.10", "0.9.6", "0.11.12"])("version %s is refused, as it cuts prompts silently", async (version) => {
    const { error, body } = await ask({}, { version });

    expect(error).toMatchObject({ code: "model_unavailable" });
    expect(String(error)).toContain("0.12.11");
    expect(body).toBeUndefined();
  });

  test.each(["0.12.11", "0.13.0-rc0", "1.0.0", "0.0.0"])("version %s is taken", async (version) => {
    expect((await ask({}, { version })).error).toBeUndefined();
  });
});

describe("what is sent", () => {
  const ends = [...CODER.slice(0, 3), "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>"];
  const stop = [...ends, "<|repo_name|>", "<|file_sep|>"];

  test("a text as a raw prompt that is not cut, and every control token as a stop", async () => {
    const { what, body } = await ask({});

    expect(what).toBe("POST /api/generate");
    expect(body).toEqual({
      model: "coder:latest",
      prompt: "Once",
      raw: true,
      stream: true,
      truncate: false,
      shift: false,
      options: { num_predict: 16, stop },
    });
  });

  test("settings by its names, the seed folded, and penalties over all tokens", async () => {
    const sampling = { temperature: 0, topP: 0.9, topK: 5, minP: 0.1, seed: -1, repetitionPenalty: 1.1 };
    const limits = { ...remoteRequest().limits, stopStrings: ["\n\n"] };
    const { body, parts } = await ask({ sampling, limits }, { model: { contextTokens: 4096 } });

    expect(body.options).toEqual({
      ...{ num_ctx: 4096, num_predict: 16, stop: ["\n\n", ...stop] },
      ...{ temperature: 0, top_p: 0.9, top_k: 5, min_p: 0.1, seed: 2 ** 31 - 1, repeat_penalty: 1.1 },
      repeat_last_n: -1,
    });
    expect(parts[0]).toMatchObject({ type: "start", ignored: [] });
  });

  test("a gap in the layout of the vocabulary, else as a suffix where the model inserts", async () => {
    const markers = await ask({ input: GAP });
    const shown = show([], { capabilities: ["completion", "insert"] });
    const suffix = await ask({ input: GAP }, { shown });
    const open = await ask({ input: { ...GAP, suffix: "" } }, { shown });

    expect(markers.body).toMatchObject({
      prompt: "<|fim_prefix|>f(<|fim_suffix|>)<|fim_middle|>",
      raw: true,
    });
    expect(suffix.body).toMatchObject({ prompt: "f(", suffix: ")" });
    expect(suffix.body).not.toHaveProperty("raw");
    expect(open.body).toMatchObject({ prompt: "f(", raw: true });
  });

  test("a chat of ChatML rendered here, the open turn byte for byte", async () => {
    const { body, what } = await ask({ input: { ...USER, assistantPrefix: "Hel \n" } });

    expect(what).toBe("POST /api/generate");
    expect(body.prompt).toBe("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHel \n");
  });

  test("a model that thinks is told not to, with its thoughts closed as its template does it", async () => {
    const template = "{{ if not $.Think }}<think>\n\n</think>\n\n{{ end }}";
    const shown = show(CHATML, { template, capabilities: ["completion", "thinking"] });
    const { body } = await ask({ input: { ...USER, assistantPrefix: "Hel" } }, { shown });

    expect(body.think).toBe(false);
    expect(body.prompt).toMatch(/<\|im_start\|>assistant\n<think>\n\n<\/think>\n\nHel$/);
  });

  test("other chats to its own route, and a prefix only where the operator vouches for the template", async () => {
    const shown = show(["<|eot_id|>"], { capabilities: ["completion", "thinking"], parameters: 'stop "<|eot_id|>"' });
    const limits = { ...remoteRequest().limits, stopStrings: ["x"] };
    const plain = await ask({ input: USER, limits }, { shown });
    const refused = await ask({ input: { ...USER, assistantPrefix: "Hel" } }, { shown });
    const vouched = await ask({ input: { ...USER, assistantPrefix: "Hel" } }, { shown, model: { prefix: "plain" } });

    expect(plain.what).toBe("POST /api/chat");
    expect(plain.body).toMatchObject({ messages: [{ role: "user", content: "Hi" }], think: false, truncate: false });
    // A request's stops take the place of the Modelfile's.
    expect(plain.body.options.stop).toEqual(["x", "<|eot_id|>"]);
    expect(refused.error).toMatchObject({ code: "unsupported_input", detail: { param: "messages" } });
    expect(refused.body).toBeUndefined();
    expect(vouched.body.messages.at(-1)).toEqual({ role: "assistant", content: "Hel" });
  });

  test("a shape, and log probabilities", async () => {
    const schema = { type: "object" };
    const { body } = await ask({ shape: { schema, path: "" }, logprobs: 2 });

    expect(body).toMatchObject({ format: schema, logprobs: true, top_logprobs: 2 });
    expect((await ask({ shape: ANY_JSON_OBJECT })).body.format).toBe("json");
  });
});

describe("what is refused before anything is sent", () => {
  const { limits } = remoteRequest();
  test.each<[string, Partial<ContinuationRequest>, string, Over?]>([
    ["a text that spells a control token", { input: { kind: "text", parts: [{ text: "<|im_end|>" }] } }, "prompt"],
    ["a message that does", { input: { ...USER, assistantPrefix: "<|im_start|>" } }, "messages"],
    [
      "a suffix that does",
      { input: { ...GAP, suffix: "<s>" } },
      "prompt",
      { shown: show(["<s>"], { capabilities: ["insert"] }) },
    ],
    ["a gap that nobody can fill", { input: GAP }, "suffix", { shown: show(CHATML) }],
    ["token ids", { input: { kind: "tokens", tokens: [1] } }, "prompt"],
    ["no text at all", { input: { kind: "text", parts: [] } }, "prompt"],
    ["a bias", { sampling: { logitBias: new Map([[1, 1]]) } }, "logit_bias"],
    ["stop ids", { limits: { ...limits, stopSequences: [[1]] } }, "stop"],
    ["a minimum of tokens", { limits: { ...limits, minTokens: 2 } }, "min_tokens"],
    ["no end", { limits: { ...limits, ignoreEnds: true } }, "ignore_eos"],
    ["a grammar", { shape: { gbnf: 'root ::= "a"' } }, "grammar"],
    [
      "a shape behind a prefix",
      { input: { ...USER, assistantPrefix: "{" }, shape: ANY_JSON_OBJECT },
      "response_format",
    ],
  ])("%s", async (_what, over, param, options) => {
    const { error, body } = await ask(over, options);

    expect(error).toMatchObject({ code: "unsupported_input", detail: { param } });
    expect(body).toBeUndefined();
  });
});

describe("what is read", () => {
  test("log probabilities by token", async () => {
    const top = [{ token: "o", logprob: -0.5, bytes: [111] }];
    const logprobs = [{ token: "o", logprob: -0.5, bytes: [111], top_logprobs: top }];
    const { parts } = await ask({ logprobs: 1 }, { answer: inPieces(LINES, said("o", { logprobs }), said("", END)) });
    const first = { bytes: [111], logprob: -0.5 };

    expect(parts[1]).toMatchObject({ type: "delta", text: "o", logprobs: [{ ...first, top: [first] }] });
  });

  test("the token that Ollama puts first is not charged", async () => {
    const { model_info: info, ...rest } = show(CODER) as { readonly model_info: object };
    const shown = { ...rest, model_info: { ...info, "tokenizer.ggml.add_bos_token": true } };

    expect((await ask({}, { shown })).parts.at(-1)).toMatchObject({ usage: { promptTokens: 6, completionTokens: 3 } });
  });

  test.each<[string, PeerAnswer, string, string]>([
    ["an error in mid-stream", inPieces(LINES, said("Hel"), '{"error":"out of memory"}\n'), "internal", "Hel"],
    ["a model that was only loaded", inPieces(LINES, said("", { ...END, done_reason: "load" })), "internal", ""],
    ["an end without a reason", inPieces(LINES, said("Hel"), said("", { done: true })), "internal", "Hel"],
    ["no end", inPieces(LINES, said("Hel")), "internal", "Hel"],
    ["half a line", inPieces(LINES, said("Hel"), '{"resp'), "internal", "Hel"],
    ["a prompt that is too long", json({ error: "prompt exceeds context length" }, 400), "invalid_parameter", ""],
    ["a model that is gone", json({ error: "model 'coder' not found" }, 404), "model_unavailable", ""],
    ["too many at once", json({ error: "server busy, please try again" }, 503), "model_unavailable", ""],
    ["a model that does not fit", json({ error: "model requires more system memory" }, 500), "internal", ""],
  ])("%s is an error", async (_name, answer, code, text) => {
    const heard = await ask({}, { answer });

    expect(heard.error).toMatchObject({ code });
    expect(heard.text).toBe(text);
  });
});

const usage = { promptTokens: 7, completionTokens: 3, source: "engine" };
describeReplays(
  [
    {
      name: "a raw prompt",
      input: remoteRequest().input,
      stream: said("春") + said("天 🎉") + said("", END),
      ...{ text: "春天 🎉", usage, end: '"done":true' },
    },
    {
      name: "a chat; thoughts are no part of the answer",
      input: USER,
      stream:
        spoken("", { message: { role: "assistant", content: "", thinking: "Hm" } }) +
        spoken("Hel") +
        spoken("lo") +
        spoken("", { ...END, done_reason: "length" }),
      ...{ text: "Hello", usage, end: '"done":true' },
    },
  ],
  async ({ input }, ...pieces) => {
    const shown = input.kind === "chat" ? show(["</s>"]) : show(CODER);
    return ask({ input }, { shown, answer: inPieces(LINES, ...pieces) });
  },
);
