import { dashscope } from "./dashscope.ts";
import { dashscopeNative } from "./dashscope-native.ts";
import { deepseek } from "./deepseek.ts";
import { llamaServer } from "./llama-server.ts";
import { mistral } from "./mistral.ts";
import { moonshot } from "./moonshot.ts";
import { ollama } from "./ollama.ts";
import { openAi } from "./openai.ts";
import { openRouter } from "./openrouter.ts";
import type { Adapter } from "./peer.ts";
import { sglang } from "./sglang.ts";
import { siliconFlow } from "./siliconflow.ts";
import { vllm } from "./vllm.ts";

/** Every kind of engine that can be elsewhere: one line each. The first that recognizes an address is what is there. */
export const ADAPTERS: readonly Adapter[] = [
  llamaServer,
  vllm,
  sglang, // newer ones answer on some of Ollama's routes too
  ollama,
  deepseek,
  mistral,
  dashscope,
  dashscopeNative,
  moonshot,
  openRouter,
  siliconFlow,
  openAi,
];

/** What the configuration calls them. */
export const ENGINE_KINDS: readonly string[] = ADAPTERS.map(({ kind }) => kind);

export function adapterOf(kind: string): Adapter {
  const adapter = ADAPTERS.find((each) => each.kind === kind);
  if (adapter === undefined)
    throw new RangeError(`there is no engine of the kind "${kind}"; known: ${ENGINE_KINDS.join(", ")}`);
  return adapter;
}
