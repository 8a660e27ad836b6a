import { llamaServer } from "./llama-server.ts";
import { openAi } from "./openai.ts";
import type { Adapter } from "./peer.ts";
import { vllm } from "./vllm.ts";

/** Every kind of engine that can be elsewhere: one line each. The first that recognizes an address is what is there. */
export const ADAPTERS: readonly Adapter[] = [llamaServer, vllm, openAi];

/** What the configuration calls them. */
export const ENGINE_KINDS: readonly string[] = ADAPTERS.map(({ kind }) => kind);

export function adapterOf(kind: string): Adapter {
  const adapter = ADAPTERS.find((each) => each.kind === kind);
  if (adapter === undefined)
    throw new RangeError(`there is no engine of the kind "${kind}"; known: ${ENGINE_KINDS.join(", ")}`);
  return adapter;
}
