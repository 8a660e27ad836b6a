/** Sampling settings as the configuration and the catalogue spell them. */
import { z } from "zod";
import type { Sampling } from "../continuation/request.ts";
import { integer, mapping, number } from "./kinds.ts";
import { present } from "./present.ts";

export const samplingSchema = z
  .strictObject(
    {
      temperature: number(0, 2).optional().describe("Sampling temperature; 0 is greedy."),
      top_p: number(0.0001, 1).optional().describe("Nucleus sampling: probability mass to keep; 1 keeps all."),
      top_k: integer(0, 1_000_000).optional().describe("Number of candidates to keep; 0 keeps all."),
      min_p: number(0, 1).optional().describe("Minimum probability, relative to the most likely token."),
      presence_penalty: number(-2, 2)
        .optional()
        .describe("Penalty for tokens that were generated before; 0 disables it."),
      frequency_penalty: number(-2, 2).optional().describe("The same, growing with each repetition; 0 disables it."),
      repetition_penalty: number(0.01, 10)
        .optional()
        .describe("Penalty for tokens of the prompt and the answer; 1 disables it."),
    },
    mapping("sampling settings, such as `temperature: 0.2`"),
  )
  .describe("Sampling defaults for requests that do not set their own.");

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
