import type { Sampling } from "../../../continuation/request.ts";

/**
 * Newer model files carry the sampling their makers recommend.
 *
 * @param number value of a metadata key, if the file has it.
 */
export function samplingDefaults(number: (key: string) => number | undefined): Sampling {
  const of = (name: string): number | undefined => number(`general.sampling.${name}`);
  const entries = {
    temperature: of("temp"),
    topP: of("top_p"),
    topK: of("top_k"),
    minP: of("min_p"),
    repetitionPenalty: of("penalty_repeat"),
  };
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined));
}
