import { hosted } from "./hosted.ts";
import { listIn } from "./json.ts";
import { COMMON_SPELLINGS, OPENAI_SPELLINGS } from "./wishes.ts";

const SPELLINGS = { ...OPENAI_SPELLINGS, ...COMMON_SPELLINGS };

/**
 * OpenRouter. A last assistant message is continued. Of itself it sends a request also to providers that ignore some of its
 * parameters; it is told not to. https://openrouter.ai/docs
 */
export const openRouter = hosted({
  kind: "openrouter",
  name: "OpenRouter",
  hosts: /(^|\.)openrouter\.ai$/,
  chat: {
    path: ({ api }) => `${api}/chat/completions`,
    spellings: SPELLINGS,
    logprobs: true,
    logitBias: true,
    maxTokens: "max_tokens",
    schemas: true,
    prefix: "plain",
    // A model that does not list the parameter would find no provider.
    thinkingOff: {
      fields: { reasoning: { enabled: false } },
      isNeeded: (entry) => listIn(entry, "supported_parameters")?.includes("reasoning") === true,
    },
  },
  completions: {
    path: ({ api }) => `${api}/completions`,
    spellings: SPELLINGS,
    logprobs: false,
    logitBias: true,
    gap: ({ fim }) => (fim === undefined || fim === false ? undefined : "layout"),
  },
  mostStops: 4,
  streamOptions: true,
  always: { provider: { require_parameters: true } },
});
