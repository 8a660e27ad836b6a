import { z } from "zod";
import { ends, extensions, finishReason, grammar, sampling, stop, streamOptions, usage } from "./fields.ts";

/** Body of `POST …/completions`. Unknown fields are accepted and reported as ignored. */
export const completionsRequest = z
  .looseObject({
    model: z.string().describe("A name of the model list"),
    prompt: z
      .union([z.string(), z.array(z.string()), z.array(z.int()), z.array(z.array(z.int()))])
      .describe("Text, in which fill-in-the-middle markers count; token ids; or up to 64 prompts of one kind"),
    suffix: z.string().nullable().optional().describe("Text after the gap; for prompts without markers"),
    max_tokens: z.int().min(0).nullable().optional().describe("Default: the model's maximum. 0 only with `echo`"),
    stream: z.boolean().nullable().optional(),
    stream_options: streamOptions,
    stop,
    ...ends,
    ...sampling,
    echo: z.boolean().nullable().optional().describe("`/v1` paths only: return the prompt before the text"),
    n: z.int().min(1).max(8).nullable().optional().describe("1 on DashScope paths"),
    best_of: z.int().min(1).max(20).nullable().optional().describe("`/v1` paths only, not with `stream`"),
    logprobs: z
      .union([z.int().min(0).max(5), z.boolean()])
      .nullable()
      .optional()
      .describe("`/v1` paths only: alternatives per token"),
    grammar,
    ...extensions,
  })
  .meta({ id: "CompletionsRequest" });

/** Legacy log probabilities: four lists with one entry per token. */
const legacyLogprobs = z
  .object({
    tokens: z.array(z.string()).describe("Bytes that are no whole character: `bytes:\\xe4\\xbd`"),
    token_logprobs: z.array(z.number().nullable()).describe("null for the first token of an echoed prompt"),
    top_logprobs: z.array(z.record(z.string(), z.number()).nullable()),
    text_offset: z.array(z.int()).describe("Unicode code points from the start of `text`"),
  })
  .meta({ id: "LegacyLogprobs" });

const choice = z.object({
  text: z.string(),
  index: z.int(),
  logprobs: legacyLogprobs.nullable(),
  finish_reason: finishReason,
});

/** Plain answer and stream chunk; a chunk has `usage: null`, the usage chunk has no choices. */
export const completionsResponse = z
  .object({
    id: z.string(),
    object: z.literal("text_completion"),
    created: z.int().describe("Unix seconds"),
    model: z.string().describe("The name the caller used"),
    choices: z.array(choice),
    usage: usage.nullable(),
    system_fingerprint: z.null(),
  })
  .meta({ id: "CompletionsResponse" });

export type CompletionsResponse = z.infer<typeof completionsResponse>;
export type CompletionsChoice = z.infer<typeof choice>;
export type LegacyLogprobs = z.infer<typeof legacyLogprobs>;
