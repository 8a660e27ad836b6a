/** Sampling settings as the configuration and the catalogue spell them. */
import { z } from "zod";
import type { Sampling } from "../continuation/request.ts";
import { integer, mapping, number } from "./kinds.ts";
import { present } from "./present.ts";

export const samplingSchema = z
  .strictObject(
    {
      temperature: number(0, 2).optional().describe("0 is greedy."),
      top_p: number(0.0001, 1).optional().describe("Share of probability kept; 1 keeps all."),
      top_k: integer(0, 1_000_000).optional().describe("Candidates kept; 0 keeps all."),
      min_p: number(0, 1).optional().describe("Least probability kept, relative to the likeliest token."),
      presence_penalty: number(-2, 2).optional().describe("Against repeating, over generated tokens; 0 is none."),
      frequency_penalty: number(-2, 2).optional().describe("The same, growing with every repetition."),
      repetition_penalty: number(0.01, 10)
        .optional()
        .describe("Against repeating, over prompt and generated tokens; 1 is none."),
    },
    mapping("sampling settings, such as `temperature: 0.2`"),
  )
  .describe("Defaults of requests that say nothing themselves.");

/** What is not said is left out. */
export function samplingFrom(settings: z.output<typeof samplingSchema> = {}): Sampling {
  return present({
    temperature: settings.temperature,
    topP: settings.top_p,
    topK: settings.top_k,
    minP: settings.min_p,
    presencePenalty: settings.presence_penalty,
    frequencyPenalty: settings.frequency_penalty,
    repetitionPenalty: settings.repetition_penalty,
  });
}
