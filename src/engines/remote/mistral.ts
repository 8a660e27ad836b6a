import { hosted } from "./hosted.ts";
import { SEEDLESS_SPELLINGS } from "./wishes.ts";

/**
 * Mistral, and Inception's FIM route, which has the same form. A gap is answered in the shape of a chat; the beginning of an
 * answer comes back in front of it (SillyTavern issue 2557, vercel/ai pull request 3256). https://docs.mistral.ai/api
 */
export const mistral = hosted({
  kind: "mistral",
  name: "Mistral",
  hosts: /(^|\.)(mistral\.ai|inceptionlabs\.ai)$/,
  chat: {
    path: ({ api }) => `${api}/chat/completions`,
    spellings: { ...SEEDLESS_SPELLINGS, seed: "random_seed" },
    logprobs: false,
    maxTokens: "max_tokens",
    schemas: true,
    prefix: "prefix",
    echoes: true,
  },
  completions: {
    path: ({ api }) => `${api}/fim/completions`,
    spellings: { temperature: "temperature", topP: "top_p", seed: "random_seed" },
    logprobs: false,
    minTokens: true,
    gap: ({ fim }) => (fim === false ? undefined : "suffix"),
  },
  mostStops: 4,
  streamOptions: false, // unknown fields are refused, and the last chunk tells the usage anyway
});
