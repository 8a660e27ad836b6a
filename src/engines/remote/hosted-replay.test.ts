/** Streams as the services document them, whole, byte by byte and cut anywhere. */
import { describe, expect, test } from "vitest";
import { never } from "../../../test/support/described-weights.ts";
import {
  bytes,
  engineAt,
  type Heard,
  hear,
  json,
  LIST,
  peerServer,
  remoteRequest,
} from "../../../test/support/peer-server.ts";
import { describeReplays, type Replay } from "../../../test/support/replays.ts";
import type { Continuation } from "../../continuation/input.ts";

const CHAT: Continuation = { kind: "chat", messages: [{ role: "user", content: [{ text: "Hi" }] }] };
const GAP: Continuation = { kind: "infill", context: [], prefix: "f(", suffix: ")", middle: "", writtenMarkers: 0 };

interface HostedReplay extends Replay {
  readonly kind: string;
  readonly route: string;
  readonly input: Continuation;
}

const data = (...chunks: readonly object[]): string =>
  chunks.map((each) => `data: ${JSON.stringify(each)}\n\n`).join("");
const DONE = "data: [DONE]\n\n";
const counted = (prompt: number, completion: number, more: object = {}): object => ({
  ...{ prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion },
  ...more,
});
const delta = (delta: object, finish: string | null = null, more: object = {}): object => ({
  ...{ id: "1", object: "chat.completion.chunk", created: 1, model: "their-model" },
  choices: [{ index: 0, delta, finish_reason: finish, ...more }],
});
const text = (text: string, finish: string | null = null): object => ({
  ...{ id: "1", object: "text_completion", created: 1, model: "their-model" },
  choices: [{ index: 0, text, logprobs: null, finish_reason: finish }],
});

const REPLAYS: readonly HostedReplay[] = [
  {
    name: "DeepSeek, a gap: the usage is on the last chunk of text",
    ...{ kind: "deepseek", route: "/beta/completions", input: GAP, text: "a, 春天 🎉" },
    stream: data(text("a, 春"), text("天 🎉"), { ...text("", "stop"), usage: counted(7, 5) }) + DONE,
    end: "finish_reason",
    usage: { promptTokens: 7, completionTokens: 5, source: "engine" },
  },
  {
    name: "DeepSeek, a chat: reasoning is no part of the answer; comments keep it alive",
    ...{ kind: "deepseek", route: "/beta/chat/completions", input: CHAT, text: "Hello" },
    stream:
      `: keep-alive\n\n${data(delta({ role: "assistant", content: null, reasoning_content: "Hm" }))}` +
      data(delta({ content: "Hel", reasoning_content: null }), delta({ content: "lo" }), {
        ...delta({ content: "", reasoning_content: null }, "stop"),
        usage: counted(9, 4, { prompt_cache_hit_tokens: 8, prompt_cache_miss_tokens: 1 }),
      }) +
      DONE,
    end: "finish_reason",
    usage: { promptTokens: 9, completionTokens: 4, cachedPromptTokens: 8, source: "engine" },
  },
  {
    name: "Mistral, a gap in the shape of a chat, without a chunk of its own for the usage",
    ...{ kind: "mistral", route: "/v1/fim/completions", input: GAP, text: "a, 春天" },
    stream:
      data(delta({ role: "assistant", content: "" }), delta({ content: "a, 春天" }), {
        ...delta({ content: "" }, "length"),
        usage: counted(6, 3),
      }) + DONE,
    end: "finish_reason",
    usage: { promptTokens: 6, completionTokens: 3, source: "engine" },
  },
  {
    name: "DashScope: every chunk but the last has no usage",
    ...{ kind: "dashscope", route: "/compatible-mode/v1/chat/completions", input: CHAT, text: "你好" },
    stream:
      data(
        { ...delta({ role: "assistant", content: "" }), usage: null },
        { ...delta({ content: "你" }), usage: null },
        { ...delta({ content: "好" }), usage: null },
        { ...delta({ content: "" }, "stop"), usage: null },
        {
          choices: [],
          object: "chat.completion.chunk",
          usage: counted(10, 2, { prompt_tokens_details: { cached_tokens: 4 } }),
        },
      ) + DONE,
    end: "finish_reason",
    usage: { promptTokens: 10, completionTokens: 2, cachedPromptTokens: 4, source: "engine" },
  },
  {
    name: "Moonshot: the usage is in the last choice",
    ...{ kind: "moonshot", route: "/v1/chat/completions", input: CHAT, text: "Hello" },
    stream:
      data(
        delta({ role: "assistant", content: "" }),
        delta({ content: "Hello" }),
        delta({}, "stop", { usage: counted(19, 2) }),
      ) + DONE,
    end: "finish_reason",
    usage: { promptTokens: 19, completionTokens: 2, source: "engine" },
  },
  {
    name: "OpenRouter: comments while it works, and a chunk for the usage",
    ...{ kind: "openrouter", route: "/v1/chat/completions", input: CHAT, text: "Hello" },
    stream:
      `: OPENROUTER PROCESSING\n\n${data(delta({ role: "assistant", content: "Hel" }))}: OPENROUTER PROCESSING\n\n` +
      data(delta({ content: "lo" }, "stop", { native_finish_reason: "stop" }), { choices: [], usage: counted(4, 2) }) +
      DONE,
    end: "finish_reason",
    usage: { promptTokens: 4, completionTokens: 2, source: "engine" },
  },
  {
    name: "SiliconFlow: lines end in CR LF, and reasoning is no part of the answer",
    ...{ kind: "siliconflow", route: "/v1/chat/completions", input: CHAT, text: "Hello" },
    stream: (
      data(
        delta({ content: null, reasoning_content: "Hm", role: "assistant" }),
        delta({ content: "Hello", reasoning_content: null }),
        {
          ...delta({ content: "", reasoning_content: null }, "stop"),
          usage: counted(5, 3),
        },
      ) + DONE
    ).replaceAll("\n", "\r\n"),
    end: "finish_reason",
    usage: { promptTokens: 5, completionTokens: 3, source: "engine" },
  },
];

const LISTS = ["/models", "/v1/models", "/compatible-mode/v1/models"].map((path) => [`GET ${path}`, LIST]);

async function heard({ kind, route, input }: HostedReplay, ...pieces: readonly Uint8Array[]): Promise<Heard> {
  const peer = await peerServer({ ...Object.fromEntries(LISTS), [`POST ${route}`]: bytes(...pieces) });
  const base = kind === "dashscope" ? "/compatible-mode/v1" : "";
  return hear(engineAt(kind, peer.url + base).generate(remoteRequest({ input }), never));
}

describeReplays(REPLAYS, heard);

describe("what a service refuses", () => {
  test.each([
    ["deepseek", 402, { error: { message: "Insufficient Balance" } }, "model_unavailable"],
    ["deepseek", 422, { error: { message: "Invalid parameters" } }, "invalid_parameter"],
    ["mistral", 401, { message: "Unauthorized", request_id: "1" }, "model_unavailable"],
    ["mistral", 422, { detail: [{ loc: ["body", "stop"], msg: "too many" }] }, "invalid_parameter"],
    ["dashscope", 400, { error: { code: "invalid_parameter_error", message: "no" } }, "invalid_parameter"],
    ["dashscope", 403, { error: { code: "access_denied", message: "no" } }, "model_unavailable"],
    ["moonshot", 429, { error: { type: "rate_limit_reached_error", message: "slow" } }, "request_rate_exceeded"],
    ["openrouter", 502, { error: { code: 502, message: "provider down" } }, "model_unavailable"],
    ["siliconflow", 503, { code: 50505, message: "overloaded" }, "model_unavailable"],
  ])("%s, %i", async (kind, status, body, code) => {
    const { base, route } =
      kind === "dashscope"
        ? { base: "/compatible-mode/v1", route: "/compatible-mode/v1/chat/completions" }
        : { base: "", route: kind === "deepseek" ? "/beta/chat/completions" : "/v1/chat/completions" };
    const peer = await peerServer({ ...Object.fromEntries(LISTS), [`POST ${route}`]: json(body, status) });
    const { error, parts } = await hear(
      engineAt(kind, peer.url + base).generate(remoteRequest({ input: CHAT }), never),
    );

    expect(error).toMatchObject({ code });
    expect(parts).toEqual([]);
  });
});
