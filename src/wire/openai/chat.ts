import { z } from "zod";
import { ends, extensions, finishReason, grammar, sampling, stop, streamOptions, usage } from "./fields.ts";

const textPart = z.looseObject({ type: z.literal("text"), text: z.string() });

const chatMessage = z
  .looseObject({
    role: z.enum(["system", "user", "assistant", "tool", "function", "plugin", "developer"]),
    content: z.union([z.string(), z.array(textPart)]).nullable(),
    partial: z.boolean().nullable().optional().describe("On the last assistant message: continue it"),
    tool_calls: z
      .array(z.looseObject({ function: z.looseObject({ name: z.string(), arguments: z.string() }) }))
      .nullable()
      .optional(),
    tool_call_id: z.string().nullable().optional(),
  })
  .meta({ id: "ChatMessage" });

/** What the text of an answer is held to. Also a parameter of DashScope's own route. */
export const responseFormat = z
  .union([
    z.looseObject({ type: z.literal("text") }),
    z
      .looseObject({ type: z.literal("json_object") })
      .describe('DashScope paths: the messages must contain the word "json"'),
    z.looseObject({
      type: z.literal("json_schema"),
      json_schema: z.looseObject({
        name: z.string().nullable().optional(),
        schema: z
          .union([z.record(z.string(), z.unknown()), z.boolean()])
          .describe("JSON Schema 2020-12. What no answer can be held to is refused, with the path to it"),
        strict: z.boolean().nullable().optional().describe("Answers follow the schema whatever this says"),
      }),
    }),
  ])
  .nullable()
  .optional()
  .describe("Default: text. DashScope paths: not together with a partial message");

/** Body of `POST …/chat/completions`. Unknown fields are accepted and reported as ignored. */
export const chatRequest = z
  .looseObject({
    model: z.string().describe("A name of the model list"),
    messages: z.array(chatMessage).min(1),
    stream: z.boolean().nullable().optional(),
    stream_options: streamOptions,
    max_tokens: z.int().min(1).nullable().optional().describe("Default: the model's maximum"),
    max_completion_tokens: z.int().min(1).nullable().optional().describe("The smaller of both holds"),
    n: z.int().min(1).max(8).nullable().optional().describe("At most 4 on DashScope paths"),
    stop,
    ...ends,
    ...sampling,
    logprobs: z.boolean().nullable().optional().describe("`/v1` paths only"),
    top_logprobs: z.int().min(0).max(20).nullable().optional().describe("Needs `logprobs`"),
    response_format: responseFormat,
    grammar,
    tools: z.array(z.unknown()).nullable().optional().describe("Accepted; answers are plain text"),
    tool_choice: z.unknown().optional().describe('"auto" or "none"'),
    enable_thinking: z.boolean().nullable().optional().describe("Only false"),
    enable_search: z.boolean().nullable().optional().describe("Only false"),
    continue_final_message: z
      .boolean()
      .nullable()
      .optional()
      .describe("`/v1` paths only: continue the last assistant message (the default there), or not"),
    ...extensions,
  })
  .meta({ id: "ChatRequest" });

const scoredToken = z.object({
  token: z.string().describe("Bytes that are no whole character: `bytes:\\xe4\\xbd`"),
  logprob: z.number(),
  bytes: z.array(z.int()),
});

const chatLogprobs = z
  .object({ content: z.array(scoredToken.extend({ top_logprobs: z.array(scoredToken) })) })
  .meta({ id: "ChatLogprobs" });

const envelope = {
  created: z.int().describe("Unix seconds"),
  system_fingerprint: z.null(),
  model: z.string().describe("The name the caller used"),
  id: z.string(),
};

const choice = z.object({
  message: z.object({ role: z.literal("assistant"), content: z.string() }),
  finish_reason: finishReason,
  index: z.int(),
  logprobs: chatLogprobs.nullable(),
});

export const chatResponse = z
  .object({ choices: z.array(choice), object: z.literal("chat.completion"), usage, ...envelope })
  .meta({ id: "ChatResponse" });

const chunkChoice = z.object({
  delta: z.object({ content: z.string(), role: z.literal("assistant").optional() }),
  finish_reason: finishReason,
  index: z.int(),
  logprobs: chatLogprobs.nullable(),
});

export const chatChunk = z
  .object({
    choices: z.array(chunkChoice),
    object: z.literal("chat.completion.chunk"),
    usage: usage.nullable(),
    ...envelope,
  })
  .meta({ id: "ChatChunk" });

export type ChatResponse = z.infer<typeof chatResponse>;
export type ChatChunk = z.infer<typeof chatChunk>;
export type ChatChunkChoice = z.infer<typeof chunkChoice>;
export type ChatLogprobs = z.infer<typeof chatLogprobs>;
