import { describe, expect, test } from "vitest";
import { z } from "zod";
import { callOf } from "../../test/support/protocol-call.ts";
import type { Result, StreamPart } from "../continuation/output.ts";
import { ServiceError } from "../errors.ts";
import { dashScopeErrorBody } from "../wire/dashscope/error.ts";
import { generationResponse } from "../wire/dashscope/generation.ts";
import { chatChunk, chatResponse } from "../wire/openai/chat.ts";
import { completionsResponse } from "../wire/openai/completions.ts";
import { openAiErrorBody } from "../wire/openai/error.ts";
import { generationProtocol } from "./dashscope-generation.ts";
import { chatProtocol } from "./openai-chat.ts";
import { completionsProtocol } from "./openai-completions.ts";
import type { Protocol } from "./protocol.ts";

/** The OpenAPI document is made from schemas that do no checking: these tests keep them true. */

const message = { role: "user", content: "hi" };
const open = { role: "assistant", content: "In", partial: true };
const token = { bytes: [97], logprob: -1, top: [{ bytes: [98], logprob: -2 }] };
const start = { type: "start", model: "weights", promptTokens: 2, truncatedTokens: 0, ignored: [] } as const;
const usage = {
  promptTokens: 2,
  completionTokens: 1,
  cachedPromptTokens: 1,
  drafts: { proposed: 2, accepted: 1 },
  source: "engine",
} as const;
const parts: readonly StreamPart[] = [
  start,
  { type: "echo", choice: 0, tokens: [{ bytes: [112], logprob: null }] },
  { type: "delta", choice: 0, text: "a", tokens: [1], logprobs: [token] },
  { type: "finish", choice: 0, reason: "length" },
  { type: "usage", usage },
];
const TEXT = { text: "a", tokens: [1], logprobs: [token] };
const result: Result = {
  start,
  echo: [],
  choices: [{ ...TEXT, reason: null }],
  usage,
};

interface Case {
  readonly protocol: Protocol;
  readonly body: Readonly<Record<string, unknown>>;
  readonly whole: z.ZodType;
  readonly event: z.ZodType;
  readonly error: z.ZodType;
}

const cases: readonly (readonly [string, Case])[] = [
  [
    "completions",
    {
      protocol: completionsProtocol("openai"),
      body: {
        ...{ model: "m", prompt: ["a"], echo: true, logprobs: 1, stop: [[1, 2]], seed: 1, user: "u" },
        stream_options: { include_usage: true },
        ...{ logit_bias: { "1": 2 }, stream: true, temperature: null },
      },
      ...{ whole: completionsResponse, event: completionsResponse, error: openAiErrorBody },
    },
  ],
  [
    "chat",
    {
      protocol: chatProtocol("openai"),
      body: {
        ...{ model: "m", messages: [message, open], logprobs: true, top_logprobs: 1, stop: "x" },
        stream_options: { include_usage: true },
        stream: true,
      },
      ...{ whole: chatResponse, event: chatChunk, error: openAiErrorBody },
    },
  ],
  [
    "generation, message format",
    {
      protocol: generationProtocol(),
      body: { model: "m", input: { messages: [message, open] }, parameters: { result_format: "message", foo: 1 } },
      ...{ whole: generationResponse, event: generationResponse, error: dashScopeErrorBody },
    },
  ],
  [
    "generation, text format",
    {
      protocol: generationProtocol(),
      body: { model: "m", input: { prompt: "hi", history: [{ user: "a", bot: "b" }] } },
      ...{ whole: generationResponse, event: generationResponse, error: dashScopeErrorBody },
    },
  ],
];

/** Objects without room for fields the schema does not name. */
function strict(schema: z.ZodType): z.ZodType {
  return z.fromJSONSchema(z.toJSONSchema(schema, { io: "output" }));
}

/** Every `finish_reason` that says why an answer has ended. */
function reasonsIn(bodies: readonly unknown[]): string[] {
  const all = [...JSON.stringify(bodies).matchAll(/"finish_reason":"(\w+)"/g)].map(([, reason = ""]) => reason);
  return all.filter((reason) => reason !== "null");
}

describe.each(cases)("%s", (_, { protocol, body, whole, event, error }) => {
  test("the request schema takes what decoding takes", () => {
    expect(protocol.body.safeParse(body).error).toBeUndefined();
    expect(protocol.decode(body, callOf()).requests).toHaveLength(1);
  });

  test("a plain answer fits its schema, field for field", () => {
    const answer = protocol.decode(body, callOf()).encoder.whole(result);

    expect(strict(whole).safeParse(answer).error).toBeUndefined();
  });

  test("every event fits its schema, field for field", () => {
    const { encoder } = protocol.decode(body, callOf());
    const stream = parts.map((part) => encoder.part(part)).join("") + encoder.end();

    const data = [...stream.matchAll(/^data: ?(\{.*)$/gm)].map(([, json = ""]): unknown => JSON.parse(json));

    expect(data.length).toBeGreaterThanOrEqual(2);
    for (const value of data) expect(strict(event).safeParse(value).error).toBeUndefined();
  });

  test.each(["stop", "length", "content_filter"] as const)("%s ends an answer in so many words", (reason) => {
    const { encoder } = protocol.decode(body, callOf());
    const finish: StreamPart = { type: "finish", choice: 0, reason, raw: "the engine's own word" };
    const stream = [start, finish, { type: "usage", usage } as const].map((part) => encoder.part(part)).join("");
    const plain = encoder.whole({ ...result, choices: [{ ...TEXT, reason, raw: "the engine's own word" }] });

    const events = [...(stream + encoder.end()).matchAll(/^data: ?(\{.*)$/gm)].map(([, json = ""]): unknown =>
      JSON.parse(json),
    );

    for (const value of [...events, plain]) expect(strict(whole).or(strict(event)).safeParse(value).success).toBe(true);
    expect(reasonsIn(events)).toEqual([reason]);
    expect(reasonsIn([plain])).toEqual([reason]);
    expect(stream + JSON.stringify(plain)).not.toContain("own word");
  });

  test("the check would see a field too many", () => {
    const answer = protocol.decode(body, callOf()).encoder.whole(result);

    expect(strict(whole).safeParse({ ...Object(answer), more: 1 }).success).toBe(false);
  });

  test("an error body fits its schema", () => {
    const { body: failure } = protocol.failure(new ServiceError("invalid_parameter", "m"), "id");

    expect(strict(error).safeParse(failure).error).toBeUndefined();
  });
});
