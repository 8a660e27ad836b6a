import { z } from "zod";

/** One public model name: OpenAI's four fields, and beside them what the name can do here and who answers. */
export const modelEntry = z
  .object({
    id: z.string().describe("The name to call"),
    object: z.literal("model"),
    created: z.int().describe("Unix seconds"),
    owned_by: z.literal("system"),
    continuo: z.object({
      capabilities: z.object({
        completions: z.boolean().describe("The completions route beside this list takes it"),
        fim: z.boolean().describe("Prompts with fill-in-the-middle markers are filled in"),
        fim_family: z.string().nullable().describe("Fill-in-the-middle layout of the weights that answer"),
        suffix: z.boolean().describe("The `suffix` field is honoured"),
        partial: z.boolean().describe("Partial Mode takes it on the paths beside this list"),
        chat: z.boolean().describe("Messages can be rendered"),
      }),
      context_length: z.int().nullable().describe("Tokens of prompt and answer together; null: not known yet"),
      max_input_tokens: z.int().nullable(),
      max_output_tokens: z.int().nullable(),
      answered_by: z.string().nullable().describe("Name of the weights that really answer; null: none are there"),
      stand_in: z.boolean().describe("These are not the weights the name stands for"),
      state: z
        .enum(["ready", "loading", "unloaded", "stalled", "failed", "unavailable"])
        .describe("Of the weights; unloaded ones are loaded by the first request. Capabilities are known either way"),
      engine: z
        .object({
          kind: z.string().describe("`llama.cpp` on this machine, `pool`, or the kind of an engine elsewhere"),
          address: z
            .string()
            .nullable()
            .describe("Of an engine elsewhere; for admin keys, and for everybody while no key is needed. Else null"),
          prefix: z
            .string()
            .nullable()
            .describe("How it takes the beginning of an answer; null: not at all, or not known"),
          replicas: z.array(
            z.object({
              model: z.string(),
              kind: z.string(),
              address: z.string().nullable(),
              state: z.string(),
              detail: z.string().nullable().describe("Why, for those who may see addresses"),
              circuit: z.enum(["open", "closed"]).describe("open: it failed too often and is left alone for a while"),
              running: z.int().describe("Requests of the pool under way there"),
            }),
          ),
        })
        .nullable()
        .describe("How it answers; null: nobody does"),
      fallbacks: z
        .array(z.string())
        .describe("Names that answer when this one cannot, as far as the caller may call them"),
    }),
  })
  .meta({ id: "Model" });

export const modelList = z.object({ object: z.literal("list"), data: z.array(modelEntry) }).meta({ id: "ModelList" });

export type ModelEntry = z.infer<typeof modelEntry>;
export type ModelList = z.infer<typeof modelList>;
