import type { Address } from "./address.ts";
import { hosted, type Service } from "./hosted.ts";
import { SEEDLESS_SPELLINGS } from "./wishes.ts";

/**
 * DeepSeek. Both ways to continue, a gap and the beginning of an answer, are on its beta routes alone. What it documents as
 * without effect (penalties in chats) is reported as ignored. https://api-docs.deepseek.com
 */
const DEEPSEEK: Service = {
  kind: "deepseek",
  name: "DeepSeek",
  hosts: /(^|\.)deepseek\.com$/,
  chat: {
    path: (address) => `${beta(address)}/chat/completions`,
    spellings: { temperature: "temperature", topP: "top_p" },
    logprobs: true,
    maxTokens: "max_tokens",
    schemas: false,
    prefix: "prefix",
    // It would think by default, and not from the prefix on.
    thinkingOff: { fields: { thinking: { type: "disabled" } }, isNeeded: () => true },
  },
  completions: {
    path: (address) => `${beta(address)}/completions`,
    spellings: SEEDLESS_SPELLINGS,
    logprobs: true,
    gap: ({ fim }) => (fim === false ? undefined : "suffix"),
  },
  models: (address) => `${stable(address)}/models`,
  mostStops: 16,
  streamOptions: true,
};

export const deepseek = hosted(DEEPSEEK);

function stable({ root }: Address): string {
  return root.replace(/\/beta$/, "");
}

function beta(address: Address): string {
  return `${stable(address)}/beta`;
}
