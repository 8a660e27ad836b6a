import { describe, expect, test } from "vitest";
import type { Json } from "../../../test/support/calls.ts";
import { never } from "../../../test/support/described-weights.ts";
import {
  engineAt,
  events,
  type Heard,
  hear,
  json,
  peerServer,
  remoteRequest,
  usageChunk,
} from "../../../test/support/peer-server.ts";
import { THINKING_TEMPLATES } from "../../../test/support/thinking-templates.ts";
import { tokenizerRoutes } from "../../../test/support/tokenizer-routes.ts";
import type { Chat } from "../../continuation/input.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";

const CHAT: Chat = { kind: "chat", messages: [{ role: "user", content: [{ text: "Hi" }] }] };

const CONTROLS = ["<|im_start|>", "<|im_end|>", "<｜User｜>", "<｜Assistant｜>"];
const { ids, spelled } = tokenizerRoutes(CONTROLS);

function chunk(text: string, finish: string | null = null): object {
  const logprobs = {
    tokens: [...text],
    token_logprobs: [...text].map(() => -1),
    top_logprobs: [...text].map((each) => ({ [each]: -1 })),
  };
  const choice = { index: 0, text, logprobs, finish_reason: finish, token_ids: ids(text) };
  return { id: "cmpl-1", object: "text_completion", choices: [choice] };
}

interface Asked extends Heard {
  readonly what?: string;
  readonly body: Json;
}

async function ask(
  family: keyof typeof THINKING_TEMPLATES,
  over: Partial<ContinuationRequest>,
  said: readonly string[],
): Promise<Asked> {
  const peer = await peerServer({
    "GET /version": json({ version: "0.32.0" }),
    "GET /v1/models": json({ object: "list", data: [{ id: "m", root: "m", max_model_len: 4096 }] }),
    ...tokenizerRoutes(CONTROLS, THINKING_TEMPLATES[family]).routes,
    "POST /v1/completions": events(...said.map((each) => chunk(each)), chunk("", "length"), usageChunk(9, 2)),
  });
  const request = remoteRequest({ ...over, limits: { ...remoteRequest().limits, maxTokens: 500 } });
  const heard = await hear(engineAt("vllm", peer.url).generate(request, never));
  const call = peer.calls.find(({ what }) => what.includes("completions"));
  return { ...heard, body: call?.body, ...(call !== undefined && { what: call.what }) };
}

describe("chats with weights that think", () => {
  test.each([
    ["qwen3", "<|im_start|>assistant\n<think>\n\n</think>\n\n Sure,\n"],
    ["qwen3Thinking", "<|im_start|>assistant\n<think>\n\n</think>\n\n Sure,\n"],
    ["r1", "<｜Assistant｜><think>\n\n</think>\n\n Sure,\n"],
    ["v31", "<｜Assistant｜></think> Sure,\n"],
  ] as const)("%s: the thought is over in front of a prefix, which stands byte for byte", async (family, end) => {
    const { what, body, text } = await ask(family, { input: { ...CHAT, assistantPrefix: " Sure,\n" } }, [
      "why",
      " not",
    ]);

    expect(what).toBe("POST /v1/completions");
    expect(spelled(body.prompt).endsWith(end)).toBe(true);
    expect(text).toBe("why not");
  });

  test("an answer that begins within a thought comes without it, and all of it counts", async () => {
    const { body, text, parts } = await ask("qwen3Thinking", { input: CHAT }, ["hm</th", "ink>\n\nYes", "."]);

    expect(spelled(body.prompt).endsWith("assistant\n<think>\n")).toBe(true);
    expect(text).toBe("Yes.");
    expect(parts.at(-1)).toMatchObject({ usage: { completionTokens: 16 } });
  });

  test("log probabilities are those of the answer alone, beside as many others as were asked for", async () => {
    const { parts } = await ask("qwen3Thinking", { input: CHAT, logprobs: 0 }, ["hm</think>", "Y"]);

    const deltas = parts.flatMap((part) => (part.type === "delta" ? [part] : []));
    expect(deltas.flatMap(({ logprobs = [] }) => logprobs)).toEqual([{ bytes: [89], logprob: -1, top: [] }]);
    expect(deltas.map(({ text }) => text).join("")).toBe("Y");
  });

  test("weights that can be told not to think are told so", async () => {
    const { body } = await ask("qwen3", { input: CHAT }, ["Yes."]);

    expect(spelled(body.prompt).endsWith("assistant\n<think>\n\n</think>\n\n")).toBe(true);
  });

  test("a thought that the caller has begun goes on", async () => {
    const begun = { ...CHAT, assistantPrefix: "<think>\nHm" };
    const { body } = await ask("qwen3Thinking", { input: begun }, ["."]);

    expect(spelled(body.prompt).endsWith("assistant\n<think>\nHm")).toBe(true);
  });
});
