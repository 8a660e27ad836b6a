import { hosted } from "./hosted.ts";
import { SEEDLESS_SPELLINGS } from "./wishes.ts";

/**
 * Moonshot (Kimi): chats, with Partial Mode. Its newer models refuse any `temperature` and penalty but their own, which it
 * says with 400. https://platform.kimi.ai/docs
 */
export const moonshot = hosted({
  kind: "moonshot",
  name: "Moonshot",
  hosts: /(^|\.)(moonshot|kimi)\.(cn|ai)$/,
  chat: {
    path: ({ api }) => `${api}/chat/completions`,
    spellings: SEEDLESS_SPELLINGS,
    logprobs: true,
    maxTokens: "max_completion_tokens",
    schemas: true,
    prefix: "partial",
    thinkingOff: {
      fields: { thinking: { type: "disabled" } },
      isNeeded: ({ supports_reasoning }) => supports_reasoning === true,
    },
  },
  mostStops: 5,
  longestStop: 32,
  streamOptions: true,
});
