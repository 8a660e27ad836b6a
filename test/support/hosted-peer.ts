/** The hosted services as peers, each where it listens. */
import type { ContinuationRequest } from "../../src/continuation/request.ts";
import type { Json } from "./calls.ts";
import { never } from "./described-weights.ts";
import {
  chatChunk,
  completionChunk,
  type EngineOver,
  engineAt,
  events,
  type Heard,
  hear,
  json,
  type PeerAnswer,
  peerServer,
  remoteRequest,
  usageChunk,
} from "./peer-server.ts";

/** Where a service listens below its address, what it takes for a gap, and where it has its list. */
export const SERVICES: Readonly<Record<string, { base: string; chat: string; completions: string; list: string }>> = {
  deepseek: { base: "", chat: "/beta/chat/completions", completions: "/beta/completions", list: "/models" },
  mistral: { base: "", chat: "/v1/chat/completions", completions: "/v1/fim/completions", list: "/v1/models" },
  dashscope: {
    base: "/compatible-mode/v1",
    chat: "/compatible-mode/v1/chat/completions",
    completions: "/compatible-mode/v1/completions",
    list: "/compatible-mode/v1/models",
  },
  moonshot: { base: "/v1", chat: "/v1/chat/completions", completions: "/v1/completions", list: "/v1/models" },
  openrouter: {
    base: "/api/v1",
    chat: "/api/v1/chat/completions",
    completions: "/api/v1/completions",
    list: "/api/v1/models",
  },
  siliconflow: { base: "/v1", chat: "/v1/chat/completions", completions: "/v1/completions", list: "/v1/models" },
};

interface Asked extends Heard {
  readonly what?: string;
  readonly body: Json;
}

export interface Over extends EngineOver {
  /** Below the address; absent: as documented. */
  readonly base?: string;
  /** What the list says of the model. */
  readonly entry?: object;
  readonly chatAnswer?: PeerAnswer;
}

/** What a service is asked, and what becomes of its answer. */
export async function askHosted(
  kind: string,
  over: Partial<ContinuationRequest>,
  { base, entry, chatAnswer, ...engine }: Over = {},
) {
  const service = SERVICES[kind];
  if (service === undefined) throw new Error(kind);
  const chat = events(chatChunk(""), chatChunk("ok"), chatChunk(undefined, "stop"), usageChunk(9, 1));
  const text = events(completionChunk("ok"), completionChunk("", "stop"), usageChunk(9, 1));
  const peer = await peerServer({
    [`GET ${service.list}`]: json({ object: "list", data: [{ id: "their-model", ...entry }] }),
    [`POST ${service.chat}`]: chatAnswer ?? chat,
    [`POST ${service.completions}`]: kind === "mistral" ? chat : text,
  });
  const heard = await hear(
    engineAt(kind, peer.url + (base ?? service.base), engine).generate(remoteRequest(over), never),
  );
  const call = peer.calls.find(({ what }) => what.startsWith("POST"));
  const asked: Asked = { ...heard, body: call?.body, ...(call !== undefined && { what: call.what }) };
  return asked;
}
