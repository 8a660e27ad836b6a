import { hosted, type Service } from "./hosted.ts";
import type { Gap } from "./hosted-gap.ts";
import type { RemoteModel } from "./peer.ts";

/**
 * SiliconFlow. The beginning of an answer stands beside the messages, as `prefix`. Only some models fill gaps, its list does
 * not say which, and the others may drop a `suffix`: it is sent where the model is configured with `fim: suffix`.
 * https://docs.siliconflow.cn
 */
const SILICONFLOW: Service = {
  kind: "siliconflow",
  name: "SiliconFlow",
  hosts: /(^|\.)siliconflow\.(cn|com)$/,
  chat: {
    path: ({ api }) => `${api}/chat/completions`,
    spellings: {
      temperature: "temperature",
      topP: "top_p",
      topK: "top_k",
      minP: "min_p",
      frequencyPenalty: "frequency_penalty",
    },
    logprobs: false,
    maxTokens: "max_tokens",
    schemas: false,
    prefix: "field",
    // Models without thinking refuse it, and its list does not say which think: the operator does.
    thinkingOff: { fields: { enable_thinking: false }, isNeeded: () => false },
  },
  completions: {
    path: ({ api }) => `${api}/completions`,
    spellings: { temperature: "temperature", topP: "top_p", topK: "top_k", frequencyPenalty: "frequency_penalty" },
    logprobs: false,
    gap: gapOf,
  },
  mostStops: 4,
  streamOptions: true,
};

export const siliconFlow = hosted(SILICONFLOW);

function gapOf({ fim }: RemoteModel): Gap | undefined {
  if (fim === undefined || fim === false) return undefined;
  return fim === "suffix" ? "suffix" : "layout";
}
