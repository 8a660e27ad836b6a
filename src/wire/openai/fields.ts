import { z } from "zod";

/** Request and response fields that completions and chat completions share. `null` in a request means "absent". */

export const stop = z
  .union([z.string(), z.array(z.string()), z.array(z.int()), z.array(z.array(z.int()))])
  .nullable()
  .optional()
  .describe("Stop strings, token ids, or sequences of token ids; one kind only. The match is not returned");

export const streamOptions = z
  .looseObject({ include_usage: z.boolean().nullable().optional().describe("The last JSON line carries `usage`") })
  .nullable()
  .optional();

export const sampling = {
  temperature: z.number().min(0).max(2).nullable().optional().describe("0 is greedy; below 2.0 on DashScope paths"),
  top_p: z.number().gt(0).max(1).nullable().optional(),
  top_k: z.int().min(0).nullable().optional().describe("DashScope paths: null or more than 100 switches it off"),
  min_p: z.number().min(0).max(1).nullable().optional(),
  presence_penalty: z.number().min(-2).max(2).nullable().optional(),
  frequency_penalty: z.number().min(-2).max(2).nullable().optional(),
  repetition_penalty: z.number().gt(0).nullable().optional(),
  // `z.int()` would bound it to 2 ** 53.
  seed: z
    .number()
    .multipleOf(1)
    .nullable()
    .optional()
    .describe("[0, 2147483647] on DashScope paths, any 64-bit integer on `/v1`"),
  logit_bias: z
    .record(z.string(), z.number().min(-100).max(100))
    .nullable()
    .optional()
    .describe("Token id to bias; `/v1` paths only"),
};

export const grammar = z
  .string()
  .max(64 * 1024)
  .nullable()
  .optional()
  .describe(
    "`/v1` paths only: GBNF (llama.cpp) whose rule `root` describes the whole answer, an assistant prefix included",
  );

/** As vLLM has them; benchmark programs send them. */
export const ends = {
  min_tokens: z
    .int()
    .min(0)
    .nullable()
    .optional()
    .describe("`/v1` paths only: neither an end token nor `stop` ends the answer before. At most `max_tokens`"),
  ignore_eos: z.boolean().nullable().optional().describe("`/v1` paths only: no end token ends the answer"),
};

export const extensions = {
  truncate_prompt: z.boolean().nullable().optional().describe("Cut a too long prompt instead of refusing it"),
  token_healing: z
    .boolean()
    .nullable()
    .optional()
    .describe("Continue a word that the prefix cuts as if it had not been cut. Default: what suits the model"),
  gap_end: z
    .boolean()
    .nullable()
    .optional()
    .describe("End an infill where its gap ends: before it repeats the suffix. Default: what suits the model"),
  speculation: z
    .boolean()
    .nullable()
    .optional()
    .describe("Guess tokens from the prompt and verify them together; never changes the text"),
};

export const usage = z
  .object({
    prompt_tokens: z.int(),
    completion_tokens: z.int(),
    total_tokens: z.int(),
    prompt_tokens_details: z
      .object({ cached_tokens: z.int() })
      .optional()
      .describe("Prompt tokens that needed no evaluation; absent when the engine did not say"),
    completion_tokens_details: z
      .object({
        accepted_prediction_tokens: z.int().describe("Guessed tokens that are part of the answer"),
        rejected_prediction_tokens: z
          .int()
          .describe("Guessed tokens that are not; `completion_tokens` is without them"),
      })
      .optional()
      .describe("`/v1` paths only; absent when nothing was guessed ahead"),
  })
  .meta({ id: "Usage" });

export const finishReason = z
  .enum(["stop", "length", "content_filter"])
  .nullable()
  .describe("null: unfinished chunk, or cut by the time limit of a plain call");

export type OpenAiUsage = z.infer<typeof usage>;
