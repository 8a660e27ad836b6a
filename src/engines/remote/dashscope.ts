import type { FimLayout } from "../../continuation/fim.ts";
import type { Address } from "./address.ts";
import { hosted, type Service } from "./hosted.ts";
import { configuredFim } from "./openai.ts";
import type { RemoteModel } from "./peer.ts";

export const DASHSCOPE_HOSTS = /(^|\.)((dashscope|dashscope-intl|dashscope-us)\.aliyuncs\.com|maas\.aliyuncs\.com)$/;

/**
 * Alibaba Cloud Model Studio in its compatible mode, at the older addresses and at those that carry workspace and region
 * (`https://WORKSPACE.REGION.maas.aliyuncs.com/compatible-mode/v1`). A text or a gap stands in its prompt template, whose
 * markers are Qwen's; models without the completions route are refused by the service. docs/wire.md 2.1, 2.2 and 4.
 */
const DASHSCOPE: Service = {
  kind: "dashscope",
  name: "DashScope",
  hosts: DASHSCOPE_HOSTS,
  chat: {
    path: (address) => `${compatible(address)}/chat/completions`,
    spellings: {
      temperature: "temperature",
      topP: "top_p",
      topK: "top_k",
      presencePenalty: "presence_penalty",
      repetitionPenalty: "repetition_penalty",
      seed: "seed",
    },
    logprobs: true,
    maxTokens: "max_tokens",
    schemas: true,
    prefix: "partial",
    // Models without thinking take it too; those that always think refuse it, as they do the prefix.
    thinkingOff: { fields: { enable_thinking: false }, isNeeded: () => true },
  },
  completions: {
    path: (address) => `${compatible(address)}/completions`,
    spellings: { temperature: "temperature", topP: "top_p", presencePenalty: "presence_penalty", seed: "seed" },
    logprobs: false,
    gap: (about) => {
      const template = templateOf(about);
      return template === undefined ? undefined : { template };
    },
  },
  models: (address) => `${compatible(address)}/models`,
  mostStops: 16,
  streamOptions: true,
};

export const dashscope = hosted(DASHSCOPE);

/** A bare host is the service's own. */
function compatible({ root, api }: Address): string {
  return root === "" ? "/compatible-mode/v1" : api;
}

function templateOf(about: RemoteModel): FimLayout | undefined {
  return configuredFim({ ...about, fim: about.fim ?? "qwen" });
}
