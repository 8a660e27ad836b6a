const NAMES: Readonly<Record<string, string>> = {
  temperature: "temperature",
  topP: "top_p",
  topK: "top_k",
  minP: "min_p",
  presencePenalty: "presence_penalty",
  frequencyPenalty: "frequency_penalty",
  repetitionPenalty: "repetition_penalty",
  seed: "seed",
  logitBias: "logit_bias",
  logprobs: "logprobs",
  promptLogprobs: "echo",
  choices: "n",
  maxTokens: "max_tokens",
  minTokens: "min_tokens",
  ignoreEnds: "ignore_eos",
  stopStrings: "stop",
  stopSequences: "stop",
  truncate: "truncate_prompt",
  tokenHealing: "token_healing",
  gapEnd: "gap_end",
};

/**
 * The field in which callers say a domain setting; all wires agree on these. Unknown settings keep their name.
 *
 * @param grammarField what the caller said the grammar with.
 */
export function wireName(setting: string, grammarField = "grammar"): string {
  if (setting === "grammar") return grammarField;
  return (Object.hasOwn(NAMES, setting) ? NAMES[setting] : undefined) ?? setting;
}
