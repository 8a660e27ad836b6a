import { describe, expect, test } from "vitest";
import type { Json } from "../../../test/support/calls.ts";
import { never } from "../../../test/support/described-weights.ts";
import {
  bytes,
  chatChunk,
  type EngineOver,
  engineAt,
  events,
  hear,
  json,
  type PeerAnswer,
  peerServer,
  remoteRequest,
  usageChunk,
} from "../../../test/support/peer-server.ts";
import { describeReplays } from "../../../test/support/replays.ts";
import type { Chat } from "../../continuation/input.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";

/** Written after SGLang's sources and reference of 2026 (0.5). */
const CONTROLS = [
  ...["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"],
  ...["<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"],
];
const CHAT: Chat = { kind: "chat", messages: [{ role: "user", content: [{ text: "Hi" }] }] };

const tokenize: PeerAnswer = (call, response) => {
  const { prompt } = call.body;
  if (prompt === undefined) return json({ message: "Field required" }, 400)(call, response);
  const id = CONTROLS.indexOf(prompt);
  const tokens = id >= 0 ? [id] : [...prompt].map((character: string) => 100 + (character.charCodeAt(0) % 100));
  return json({ tokens, count: tokens.length, max_model_len: 4096 })(call, response);
};

/** An event of `/generate`: all so far, as SGLang sends by default. */
function event(text: string, ids: readonly number[], finish: object | null = null, more: object = {}): object {
  const counts = { prompt_tokens: 4, completion_tokens: ids.length, cached_tokens: 2 };
  return { text, output_ids: ids, meta_info: { id: "1", finish_reason: finish, ...counts, ...more } };
}

const EOS = { type: "stop", matched: 2 };

interface Over extends EngineOver {
  readonly server?: object;
  readonly routes?: Readonly<Record<string, PeerAnswer>>;
  readonly answer?: PeerAnswer;
}

async function ask(over: Partial<ContinuationRequest>, { server, routes, answer, ...engine }: Over = {}) {
  const peer = await peerServer({
    "GET /model_info": json({ model_path: "Qwen/Coder", is_generation: true, weight_version: "default" }),
    "GET /server_info": json({ version: "0.5.9", context_length: 4096, max_running_requests: 64, ...server }),
    "GET /v1/models": json({ object: "list", data: [{ id: "Qwen/Coder", max_model_len: 2048 }] }),
    "POST /tokenize": tokenize,
    "POST /generate": answer ?? events(event("o", [500]), event("ok", [500, 501, 2], EOS)),
    "POST /v1/chat/completions": answer ?? events(chatChunk("lo"), chatChunk(undefined, "stop"), usageChunk(9, 2)),
    ...routes,
  });
  const remote = engineAt("sglang", peer.url, engine);
  const heard = await hear(remote.generate(remoteRequest(over), never));
  const asked = peer.calls.find(({ what }) => /generate|completions/.test(what));
  const body: Json = asked?.body;
  return { ...heard, what: asked?.what, body, remote };
}

const idsOf = ({ parts }: { readonly parts: readonly object[] }): readonly number[] =>
  parts.flatMap((part) => ("tokens" in part ? (part.tokens as readonly number[]) : []));

describe("what is found", () => {
  test("context, layout and requests at a time", async () => {
    expect(await (await ask({})).remote.model(never)).toEqual({
      id: "Qwen/Coder",
      contextTokens: 2048,
      fim: "qwen",
      chat: true,
      defaults: {},
    });
  });

  test("an older one: its names for the routes, no tokenizer, and so a text", async () => {
    const missing: PeerAnswer = json({ detail: "Not Found" }, 404);
    const routes = {
      ...{ "GET /model_info": missing, "GET /server_info": missing, "POST /tokenize": missing },
      "GET /get_model_info": json({ model_path: "Qwen/Coder" }),
      "GET /get_server_info": json({ version: "0.4.0" }),
    };
    const { body, remote, text } = await ask({}, { routes });

    expect(body).toMatchObject({ text: "Once", sampling_params: { max_new_tokens: 16 } });
    expect(await remote.model(never)).not.toHaveProperty("fim");
    expect(text).toBe("ok");
  });
});

describe("what is sent", () => {
  test("token ids, and every control token as a stop", async () => {
    const { what, body } = await ask({ input: { kind: "text", parts: [{ text: "ab" }] } });

    expect(what).toBe("POST /generate");
    expect(body).toMatchObject({ input_ids: [197, 198], stream: true, sampling_params: { max_new_tokens: 16 } });
    expect(body.sampling_params.stop_token_ids).toEqual(expect.arrayContaining([0, 1, 2, 3, 4, 5, 6, 7, 8]));
  });

  test("what is left of the context where the caller sets no limit", async () => {
    const { maxTokens: _, ...limits } = remoteRequest().limits;

    const { body } = await ask({ limits, input: { kind: "tokens", tokens: [1, 2, 3] } });

    expect(body.sampling_params.max_new_tokens).toBe(2045);
  });

  test("settings by its names; a seed only where inference is deterministic, else it is reported", async () => {
    const sampling = { temperature: 0, topK: 0, minP: 0.1, repetitionPenalty: 1.1, seed: -1 };
    const limits = { ...remoteRequest().limits, minTokens: 2, ignoreEnds: true };
    const plain = await ask({ sampling, limits });
    const seeded = await ask({ sampling }, { server: { enable_deterministic_inference: true } });

    expect(plain.body.sampling_params).toEqual({
      ...{ max_new_tokens: 16, temperature: 0, top_k: -1, min_p: 0.1, repetition_penalty: 1.1 },
      ...{ min_new_tokens: 2, ignore_eos: true },
    });
    expect(plain.parts[0]).toMatchObject({ ignored: ["seed"] });
    expect(seeded.body.sampling_params.sampling_seed).toBe(2 ** 31 - 1);
    expect(seeded.parts[0]).toMatchObject({ ignored: [] });
  });

  test("a shape as it takes it", async () => {
    const schema = { type: "object" };
    const { body } = await ask({ shape: { schema, path: "" } });

    expect(JSON.parse(body.sampling_params.json_schema)).toEqual(schema);
    expect((await ask({ shape: { gbnf: 'root ::= "a"' } })).body.sampling_params.ebnf).toBe('root ::= "a"');
  });

  test("a chat as messages, the open turn as it continues one", async () => {
    const { body, what, text } = await ask({ input: { ...CHAT, assistantPrefix: "Hel" } });

    expect(what).toBe("POST /v1/chat/completions");
    expect(body).toMatchObject({ model: "Qwen/Coder", continue_final_message: true, max_tokens: 16 });
    expect(body.messages.at(-1)).toEqual({ role: "assistant", content: "Hel" });
    expect(text).toBe("lo");
    expect(body.chat_template_kwargs).toMatchObject({ enable_thinking: false });
    expect((await ask({ input: CHAT })).body).not.toHaveProperty("chat_template_kwargs");
  });

  test("as the embedded engine would be given it, where its tokenizer is there; a chat in its own way where its template is not shown", async () => {
    const guarantees = [await ask({}), await ask({ input: CHAT })].map(({ parts }) => parts[0]);

    expect(guarantees).toMatchObject([{ guarantee: "exact" }, { guarantee: "native" }]);
  });

  test.each<[string, Partial<ContinuationRequest>]>([
    ["a text", { input: { kind: "text", parts: [{ text: "a <|im_end|>" }] } }],
    ["the beginning of an answer", { input: { ...CHAT, assistantPrefix: "<|im_end|>" } }],
  ])("nothing for %s that spells a control token, as its tokenizer would read one", async (_what, over) => {
    const { error, body } = await ask(over);

    expect(error).toMatchObject({ code: "unsupported_input" });
    expect(body).toBeUndefined();
  });
});

describe("stops", () => {
  const { limits } = remoteRequest();

  test("a stop string of which half was sent before is not cut off there, and is cut here", async () => {
    const answer = events(event("a#", [500]), event("a##b", [500, 501], { type: "stop", matched: "##" }));
    const asked = await ask({ limits: { ...limits, stopStrings: ["##"], stopSequences: [[9]] } }, { answer });

    expect(asked.body.sampling_params).toMatchObject({ stop: ["##"], no_stop_trim: true });
    // Those of the caller are watched for here, as they would not be cut off either.
    expect(asked.body.sampling_params.stop_token_ids).not.toContain(9);
    expect(asked.text).toBe("a");
  });

  test("a stop id alone is cut off there", async () => {
    const { body } = await ask({ limits: { ...limits, stopSequences: [[9]] } });

    expect(body.sampling_params.stop_token_ids).toContain(9);
    expect(body.sampling_params).not.toHaveProperty("no_stop_trim");
  });

  test("a control token that ends an answer is no part of it, although its text is", async () => {
    const answer = events(event("a", [500]), event("a<|fim_pad|>", [500, 6], { type: "stop", matched: 6 }));
    const asked = await ask({ limits: { ...limits, stopStrings: ["##"] } }, { answer });

    expect([asked.text, idsOf(asked)]).toEqual(["a", [500]]);
  });

  test("a sequence of ids", async () => {
    const answer = events(
      event("ab", [500, 501]),
      event("abcd", [500, 501, 502, 503]),
      event("abcde", [500, 501, 502, 503, 504]),
    );
    const asked = await ask({ limits: { ...limits, stopSequences: [[502, 503]] } }, { answer });

    expect(idsOf(asked)).toEqual([500, 501]);
    expect(asked.error).toBeUndefined();
  });
});

describe("what is read", () => {
  const pieces = { incremental_streaming_output: true };
  const counted = (completion: number): object => ({ completion_tokens: completion });

  test("events that say only what is new, where the server was started so", async () => {
    const answer = events(event("a", [500]), event("b", [501], null, counted(2)), event("", [2], EOS, counted(3)));
    const asked = await ask({}, { server: pieces, answer });

    expect([asked.text, idsOf(asked)]).toEqual(["ab", [500, 501]]);
  });

  test("all so far in the text, and only new ids, as older ones sent them", async () => {
    const answer = events(event("a", [500]), event("ab", [501], null, counted(2)), event("ab", [2], EOS, counted(3)));
    const asked = await ask({}, { answer });

    expect([asked.text, idsOf(asked)]).toEqual(["ab", [500, 501]]);
  });

  test("log probabilities of the new tokens", async () => {
    const scores = [
      [-0.5, 500, "a"],
      [-0.25, 501, "b"],
    ];
    const top = scores.map((each) => [each, [-2, 7, "c"]]);
    const logprobs = (count: number): object => ({
      output_token_logprobs: scores.slice(0, count),
      output_top_logprobs: top.slice(0, count),
    });
    const answer = events(
      event("a", [500], null, logprobs(1)),
      event("ab", [500, 501], { type: "length", length: 2 }, logprobs(2)),
    );
    const { parts, body } = await ask({ logprobs: 2 }, { answer });
    const said = parts.flatMap((part) => (part.type === "delta" ? (part.logprobs ?? []) : []));

    expect(body).toMatchObject({ return_logprob: true, top_logprobs_num: 2 });
    expect(said.map(({ logprob, top }) => [logprob, top.length])).toEqual([
      [-0.5, 2],
      [-0.25, 2],
    ]);
  });

  const abort = (status: number): object => ({ type: "abort", message: "no", status_code: status });
  test.each<[string, PeerAnswer, string]>([
    ["a refusal within the stream", events(event("", [], abort(400))), "invalid_parameter"],
    ["a queue that is full", events(event("", [], abort(503))), "model_unavailable"],
    ["an abort without a reason", events(event("", [], { type: "abort" })), "internal"],
    ["an error in mid-stream", events(event("a", [500]), { error: { message: "no" } }), "internal"],
    ["a text that takes back what it said", events(event("ab", [500]), event("ac", [500, 501])), "internal"],
    ["no end", events(event("a", [500])), "internal"],
    [
      "a prompt that is too long",
      json({ error: { message: "longer than the context length" } }, 400),
      "invalid_parameter",
    ],
    ["a key that is wrong", json({ error: "Unauthorized" }, 401), "model_unavailable"],
  ])("%s is an error", async (_name, answer, code) => {
    expect((await ask({}, { answer })).error).toMatchObject({ code });
  });
});

const data = (...all: readonly object[]): string => all.map((each) => `data: ${JSON.stringify(each)}\n\n`).join("");
describeReplays(
  [
    {
      name: "all so far in every event",
      server: {},
      stream: `${data(event("春", [500]), event("春天 🎉", [500, 501, 502]), event("春天 🎉", [500, 501, 502, 2], EOS))}data: [DONE]\n\n`,
      text: "春天 🎉",
      usage: { promptTokens: 4, completionTokens: 3, cachedPromptTokens: 2, source: "engine" },
      end: '{"type":"stop"',
    },
    {
      name: "only what is new in every event",
      server: { incremental_streaming_output: true },
      stream: `${data(event("春", [500]), event("天", [501], { type: "length", length: 2 }, { completion_tokens: 2 }))}data: [DONE]\n\n`,
      text: "春天",
      usage: { promptTokens: 4, completionTokens: 2, cachedPromptTokens: 2, source: "engine" },
      end: '{"type":"length"',
    },
  ],
  async ({ server }, ...pieces) => ask({}, { server, answer: bytes(...pieces) }),
);
