import { describe, expect, test } from "vitest";
import type { Json } from "../../../test/support/calls.ts";
import { never } from "../../../test/support/described-weights.ts";
import {
  bytes,
  engineAt,
  hear,
  inPieces,
  json,
  LIST,
  type PeerAnswer,
  peerServer,
  remoteRequest,
} from "../../../test/support/peer-server.ts";
import { describeReplays } from "../../../test/support/replays.ts";
import type { Chat } from "../../continuation/input.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";
import { ANY_JSON_OBJECT } from "../../continuation/shape.ts";

const AIGC = "/api/v1/services/aigc";
const TEXT = `${AIGC}/text-generation/generation`;
const MULTIMODAL = `${AIGC}/multimodal-generation/generation`;
const CHAT: Chat = { kind: "chat", messages: [{ role: "user", content: [{ text: "Hi" }] }] };
const BEGUN: Chat = { ...CHAT, assistantPrefix: "Hel" };

/** As recorded: no blank behind a colon, and the status in a comment. */
function event(id: number, content: unknown, finish = "null", usage: object = { input_tokens: 9, output_tokens: id }) {
  const output = { choices: [{ message: { content, role: "assistant" }, finish_reason: finish }] };
  return `id:${id}\nevent:result\n:HTTP_STATUS/200\ndata:${JSON.stringify({ output, usage, request_id: "1" })}\n\n`;
}

function failed(code: string, message: string): string {
  return `id:1\nevent:error\n:HTTP_STATUS/400\ndata:${JSON.stringify({ code, message, request_id: "1" })}\n\n`;
}

async function ask(
  over: Partial<ContinuationRequest>,
  answer: PeerAnswer = bytes(event(1, "l"), event(2, "o"), event(3, "", "stop")),
  base = "",
) {
  const peer = await peerServer({
    "GET /compatible-mode/v1/models": LIST,
    [`POST ${TEXT}`]: answer,
    [`POST ${MULTIMODAL}`]: answer,
  });
  const engine = engineAt("dashscope-native", peer.url + base);
  const heard = await hear(engine.generate(remoteRequest({ input: CHAT, ...over }), never));
  const call = peer.calls.find(({ what }) => what.startsWith("POST"));
  const body: Json = call?.body;
  return { ...heard, body, what: call?.what, headers: call?.headers };
}

describe("what is sent", () => {
  test("the beginning of an answer, in the native envelope, as a stream of what is new", async () => {
    const { body, what, headers, text } = await ask({ input: BEGUN });

    expect(what).toBe(`POST ${TEXT}`);
    expect(headers).toMatchObject({ "x-dashscope-sse": "enable" });
    expect(body).toEqual({
      model: "their-model",
      input: {
        messages: [
          { role: "user", content: "Hi" },
          { role: "assistant", content: "Hel", partial: true },
        ],
      },
      parameters: { result_format: "message", incremental_output: true, max_tokens: 16, enable_thinking: false },
    });
    expect(text).toBe("lo");
  });

  test.each([MULTIMODAL, `${AIGC}/multimodal-generation`])("lists to the route that %s names", async (base) => {
    const answer = bytes(event(1, [{ text: "lo" }]), event(2, [], "stop"));
    const { body, what, text } = await ask({ input: BEGUN }, answer, base);

    expect(what).toBe(`POST ${MULTIMODAL}`);
    expect(body.input.messages).toEqual([
      { role: "user", content: [{ text: "Hi" }] },
      { role: "assistant", content: [{ text: "Hel" }], partial: true },
    ]);
    expect(text).toBe("lo");
  });

  test.each([TEXT, "/api/v1", "/compatible-mode/v1"])("texts at %s", async (base) => {
    expect((await ask({}, undefined, base)).what).toBe(`POST ${TEXT}`);
  });

  test("everything behind a path that a gateway puts in front", async () => {
    const peer = await peerServer({
      "GET /rented/compatible-mode/v1/models": LIST,
      [`POST /rented${MULTIMODAL}`]: bytes(event(1, [{ text: "lo" }]), event(2, [], "stop")),
    });
    const engine = engineAt("dashscope-native", `${peer.url}/rented${MULTIMODAL}`);

    expect((await hear(engine.generate(remoteRequest({ input: CHAT }), never))).text).toBe("lo");
  });

  test("settings by their names; what it lacks is reported", async () => {
    const sampling = { temperature: 0.1, topP: 0.9, topK: 5, minP: 0.1, seed: -1, repetitionPenalty: 1.1 };
    const { body, parts } = await ask({ sampling, shape: ANY_JSON_OBJECT, logprobs: 2 });

    expect(body.parameters).toMatchObject({
      ...{ temperature: 0.1, top_p: 0.9, top_k: 5, seed: 2 ** 31 - 1, repetition_penalty: 1.1 },
      ...{ response_format: { type: "json_object" }, logprobs: true, top_logprobs: 2 },
    });
    expect(parts[0]).toMatchObject({ ignored: ["minP"] });
  });

  test("stops as strings or as ids", async () => {
    const { limits } = remoteRequest();
    const strings = await ask({ limits: { ...limits, stopStrings: ["a"] } });
    const ids = await ask({ limits: { ...limits, stopSequences: [[1], [2]] } });

    expect(strings.body.parameters.stop).toEqual(["a"]);
    expect(ids.body.parameters.stop).toEqual([1, 2]);
  });
});

describe("what is refused before anything is sent", () => {
  const { limits, input } = remoteRequest();
  test.each<[string, Partial<ContinuationRequest>, string]>([
    ["a text", { input }, "prompt"],
    ["token ids and strings to stop at", { limits: { ...limits, stopStrings: ["a"], stopSequences: [[1]] } }, "stop"],
    ["a sequence of ids", { limits: { ...limits, stopSequences: [[1, 2]] } }, "stop"],
    ["a bias", { sampling: { logitBias: new Map([[1, 1]]) } }, "logit_bias"],
    ["a minimum of tokens", { limits: { ...limits, minTokens: 2 } }, "min_tokens"],
    ["no end", { limits: { ...limits, ignoreEnds: true } }, "ignore_eos"],
    ["a shape behind a prefix", { input: BEGUN, shape: ANY_JSON_OBJECT }, "response_format"],
  ])("%s", async (_what, over, param) => {
    const { error, body } = await ask(over);

    expect(error).toMatchObject({ code: "unsupported_input", detail: { param } });
    expect(body).toBeUndefined();
  });
});

describe("what is read", () => {
  const wrong = failed("InvalidParameter", "<400> InternalError.Algo.InvalidParameter: Range of max_tokens");
  test.each<[string, PeerAnswer, string]>([
    ["an error as the first event", bytes(wrong), "invalid_parameter"],
    ["the same with its status, as text", inPieces400(wrong), "invalid_parameter"],
    ["a plain refusal", json({ code: "InvalidApiKey", message: "no", request_id: "1" }, 401), "model_unavailable"],
    ["the wrong route", json({ code: "InvalidParameter", message: "url error, check url!" }, 400), "invalid_parameter"],
    [
      "throttling within the stream",
      bytes(event(1, "l"), failed("Throttling.RateQuota", "slow")),
      "request_rate_exceeded",
    ],
    ["a failure within the stream", bytes(event(1, "l"), failed("InternalError", "oops")), "internal"],
    ["a code that nobody knows", bytes(failed("New", "<503> busy")), "model_unavailable"],
    ["an event without output", bytes('data:{"request_id":"1"}\n\n'), "internal"],
    ["no end", bytes(event(1, "l")), "internal"],
  ])("%s is an error", async (_name, answer, code) => {
    expect((await ask({}, answer)).error).toMatchObject({ code });
  });

  test("the message of an event that came in place of a body", async () => {
    expect(String((await ask({}, inPieces400(wrong))).error)).toContain("refuses the request: <400> Internal");
  });
});

function inPieces400(body: string): PeerAnswer {
  return (_, response) => response.writeHead(400, { "content-type": "application/json" }).end(body);
}

const thought = { role: "assistant", content: "", reasoning_content: "Hm" };
const withCache = { input_tokens: 9, output_tokens: 3, prompt_tokens_details: { cached_tokens: 4 } };
describeReplays(
  [
    {
      name: "a text model; reasoning is no part of the answer",
      stream:
        `id:1\nevent:result\n:HTTP_STATUS/200\ndata:${JSON.stringify({ output: { choices: [{ message: thought, finish_reason: "null" }] }, usage: {} })}\n\n` +
        event(2, "你") +
        event(3, "好 🎉") +
        event(4, "", "stop", withCache),
      ...{ text: "你好 🎉", end: '"finish_reason":"stop"' },
      usage: { promptTokens: 9, completionTokens: 3, cachedPromptTokens: 4, source: "engine" },
    },
    {
      name: "a multimodal model",
      stream: event(1, [{ text: "He" }]) + event(2, [{ text: "llo" }]) + event(3, [], "length"),
      ...{ text: "Hello", end: '"finish_reason":"length"' },
      usage: { promptTokens: 9, completionTokens: 3, source: "engine" },
    },
  ],
  async (_replay, ...pieces) => ask({}, inPieces("text/event-stream;charset=UTF-8", ...pieces)),
);
