import { z } from "zod";
import { responseFormat } from "../openai/chat.ts";
import { extensions } from "../openai/fields.ts";

const message = z.looseObject({
  role: z.enum(["system", "user", "assistant", "tool", "function", "plugin"]),
  content: z.union([z.string(), z.array(z.looseObject({ text: z.string() }))]).nullable(),
  partial: z.boolean().nullable().optional().describe("On the last assistant message: continue it"),
});

const parameters = z
  .looseObject({
    result_format: z.enum(["text", "message"]).nullable().optional().describe("Default `text`"),
    incremental_output: z
      .boolean()
      .nullable()
      .optional()
      .describe("Streams only. true: each event holds new text only; false, the default: all text so far"),
    max_tokens: z.int().min(1).nullable().optional().describe("Default: the model's maximum"),
    n: z.int().min(1).max(4).nullable().optional().describe('More than 1 needs `result_format: "message"`'),
    seed: z.number().multipleOf(1).min(0).nullable().optional().describe("[0, 9223372036854775807]"),
    stop: z
      .union([z.string(), z.array(z.string()), z.array(z.int()), z.array(z.array(z.int()))])
      .nullable()
      .optional()
      .describe("Stop strings, token ids, or sequences of token ids; one kind only"),
    temperature: z.number().min(0).lt(2).nullable().optional().describe("0 is greedy"),
    top_p: z.number().gt(0).max(1).nullable().optional(),
    top_k: z.int().min(0).nullable().optional().describe("null or more than 100 switches it off"),
    min_p: z.number().min(0).max(1).nullable().optional(),
    presence_penalty: z.number().min(-2).max(2).nullable().optional(),
    frequency_penalty: z.number().min(-2).max(2).nullable().optional(),
    repetition_penalty: z.number().gt(0).nullable().optional(),
    response_format: responseFormat,
    ...extensions,
  })
  .nullable()
  .optional();

/** Body of `POST …/text-generation/generation`. Streaming is asked for by header, not here. */
export const generationRequest = z
  .looseObject({
    model: z.string().describe("A name of the model list"),
    input: z.looseObject({
      messages: z.array(message).min(1).nullable().optional(),
      prompt: z.string().nullable().optional().describe("Older form: equals one user message"),
      history: z
        .array(z.looseObject({ user: z.string(), bot: z.string() }))
        .nullable()
        .optional()
        .describe("Oldest form: earlier turns, with `prompt`"),
    }),
    parameters,
  })
  .meta({ id: "GenerationRequest" });

/** The four-letter string "null", not JSON null, marks an unfinished answer: clients compare with it. */
const finishReason = z.enum(["stop", "length", "content_filter", "null"]);

const choice = z.object({
  finish_reason: finishReason,
  message: z.object({ role: z.literal("assistant"), content: z.string() }),
  index: z.int().optional().describe("Only with `n` greater than 1"),
});

const usage = z.object({
  total_tokens: z.int(),
  output_tokens: z.int(),
  input_tokens: z.int(),
  prompt_tokens_details: z.object({ cached_tokens: z.int() }).optional(),
});

/** Plain answer and the data of one stream event. */
export const generationResponse = z
  .object({
    output: z.union([
      z.object({ finish_reason: finishReason, text: z.string() }),
      z.object({ choices: z.array(choice) }),
    ]),
    usage,
    request_id: z.string(),
  })
  .meta({ id: "GenerationResponse" });

export type GenerationResponse = z.infer<typeof generationResponse>;
export type GenerationFinishReason = z.infer<typeof finishReason>;
export type DashScopeUsage = z.infer<typeof usage>;
