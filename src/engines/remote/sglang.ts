import type { ContinuationRequest } from "../../continuation/request.ts";
import type { AnswerShape } from "../../continuation/shape.ts";
import { THINKING_OFF } from "../../continuation/thinking.ts";
import { continuedChat, formatOf } from "./chat-body.ts";
import { countIn, isObject, type JsonObject, textIn } from "./json.ts";
import { learnWeights } from "./learn-weights.ts";
import { choiceEvent, listedModels, meantModel, PROBE_MS } from "./openai-wire.ts";
import type { Adapter, Asked, Peer, PieceReader, RemoteModel } from "./peer.ts";
import { textPrompt } from "./prompt.ts";
import { generatedReader } from "./sglang-stream.ts";
import { promptIds } from "./tokenize-route.ts";
import type { Upstream } from "./transport.ts";
import { isMissingRoute, malformed } from "./upstream-error.ts";
import { endsOf } from "./vocabulary.ts";
import { COMMON_SPELLINGS, SEEDLESS_SPELLINGS, type Spellings, stopsToPass, wishesOf } from "./wishes.ts";

interface SglangPeer extends Peer {
  /** Each event of its streams says only what is new; else all so far. */
  readonly streamsPieces: boolean;
  /** A seed alone decides what it says; else seeds have no effect there. */
  readonly takesSeeds: boolean;
  /** Chats are rendered here, as token ids. */
  readonly rendersChats: boolean;
}

/**
 * SGLang. Texts and gaps go to its own `/generate` as token ids, where its `/tokenize` is there, and so do chats where that
 * shows that the template writes ChatML; other chats go to its chat route, as only it has the template. Written after its
 * sources of 2026 and its reference (0.5), and not seen live. https://docs.sglang.io
 */
export const sglang: Adapter<SglangPeer> = { kind: "sglang", probe, identify, lower, reader };

const MOST_STOPS = 64;
const SEEDS = 2 ** 31;

async function probe(upstream: Upstream, about: RemoteModel, signal: AbortSignal): Promise<SglangPeer> {
  const { id, info, server, contextTokens } = await found(upstream, about, signal);
  const { weights, vocabulary, writesChatMl } = await learnWeights(upstream, id, about, signal);
  // Weights whose template is not shown may think, or end their turns in another way.
  const rendersChats = writesChatMl ?? false;
  const slots = countIn(server, "max_running_requests");
  return {
    model: id,
    program: programOf(server),
    identity: identityOf(id, info, server),
    weights,
    chat: true,
    chatPrefix: true,
    prefixSpelling: rendersChats ? "rendered" : "continue_final_message",
    rendersChats,
    streamsPieces: server["incremental_streaming_output"] === true,
    takesSeeds: server["enable_deterministic_inference"] === true,
    ...(contextTokens !== undefined && { contextTokens }),
    ...(slots !== undefined && { slots }),
    ...(vocabulary !== undefined && { vocabulary }),
  };
}

async function identify(upstream: Upstream, about: RemoteModel, signal: AbortSignal): Promise<string> {
  const { id, info, server } = await found(upstream, about, signal);
  return identityOf(id, info, server);
}

interface Found {
  readonly id: string;
  readonly info: JsonObject;
  readonly server: JsonObject;
  readonly contextTokens?: number;
}

async function found(upstream: Upstream, about: RemoteModel, signal: AbortSignal): Promise<Found> {
  const info = await told(upstream, ["model_info", "get_model_info"], signal);
  if (textIn(info, "model_path") === undefined)
    throw malformed(upstream.name, "something at /model_info that is not SGLang's; check the kind and the address");
  const server = await told(upstream, ["server_info", "get_server_info"], signal);
  const { id, entry } = meantModel(upstream, about, await listedModels(upstream, signal));
  const contextTokens = about.contextTokens ?? countIn(entry, "max_model_len") ?? countIn(server, "context_length");
  return { id, info, server, ...(contextTokens !== undefined && { contextTokens }) };
}

/** The newer name of a route, else the older one. */
async function told(upstream: Upstream, names: readonly string[], signal: AbortSignal): Promise<JsonObject> {
  const [name, ...others] = names;
  try {
    const answer = await upstream.json("GET", `${upstream.address.root}/${name}`, PROBE_MS, signal);
    if (!isObject(answer)) throw malformed(upstream.name, `no object at /${name}`);
    return answer;
  } catch (error) {
    if (others.length === 0 || !isMissingRoute(error)) throw error;
    return await told(upstream, others, signal);
  }
}

function programOf(server: JsonObject): string {
  const version = textIn(server, "version");
  return version === undefined ? "SGLang" : `SGLang ${version}`;
}

/** Weights can be exchanged under a running server. */
function identityOf(id: string, info: JsonObject, server: JsonObject): string {
  const { model_path: path, weight_version: weights } = info;
  const { version, context_length: context, incremental_streaming_output, enable_deterministic_inference } = server;
  const switches = [incremental_streaming_output, enable_deterministic_inference];
  return JSON.stringify([id, path, weights, version, context, switches]);
}

/** It honours seeds only where it was started for deterministic inference. */
function spellings(takesSeeds: boolean, seed: string): Spellings {
  return { ...SEEDLESS_SPELLINGS, ...COMMON_SPELLINGS, ...(takesSeeds && { seed }) };
}

async function lower(
  request: ContinuationRequest,
  peer: SglangPeer,
  about: RemoteModel,
  { address }: Upstream,
  signal: AbortSignal,
): Promise<Asked> {
  const { input, shape, limits } = request;
  const ends = peer.vocabulary === undefined ? new Set<number>() : endsOf(peer.vocabulary, peer.weights.fim, undefined);
  if (input.kind === "chat" && !peer.rendersChats) {
    const { fields, ignored } = settings(request, peer, ends, "seed", "min_tokens");
    const body = {
      model: peer.model,
      stream: true,
      stream_options: { include_usage: true },
      ...fields,
      ...(shape !== undefined && ("gbnf" in shape ? { ebnf: shape.gbnf } : { response_format: formatOf(shape) })),
      ...continuedChat(input, request, peer),
      // Its template is not shown, and one that knows nothing of thinking does not mind.
      ...((input.assistantPrefix ?? "") !== "" && about.thinking !== false && { chat_template_kwargs: THINKING_OFF }),
    };
    const truncate = limits.truncate ? ["truncate"] : [];
    const asked = { truncatedTokens: 0, countOffset: 0, ends, ignored: [...ignored, ...truncate] };
    return { ...asked, path: `${address.api}/chat/completions`, body };
  }
  const { fields, ignored } = settings(request, peer, ends, "sampling_seed", "min_new_tokens");
  const { question, room, ...prompt } = await written(request, peer, signal);
  const body = {
    ...question,
    stream: true,
    sampling_params: {
      // Without a limit it would be 128 there, and more than there is room for is refused.
      max_new_tokens: mostTokens(limits.maxTokens, room),
      ...fields,
      ...(shape !== undefined && shapeFields(shape)),
    },
    ...logprobFields(request),
  };
  return { path: `${address.root}/generate`, body, ...prompt, ends, ignored };
}

/** Null: as many as there is room for. */
function mostTokens(wished: number | undefined, room: number): number | null {
  const most = Math.min(wished ?? Number.POSITIVE_INFINITY, room);
  return Number.isFinite(most) ? Math.max(1, most) : null;
}

function settings(
  request: ContinuationRequest,
  peer: SglangPeer,
  ends: ReadonlySet<number>,
  seedName: string,
  minTokensName: string,
): { readonly fields: Readonly<Record<string, unknown>>; readonly ignored: readonly string[] } {
  const { fields, logitBias, ignored } = wishesOf(request, spellings(peer.takesSeeds, seedName));
  const { top_k: topK, [seedName]: seed, ...sampling } = fields;
  const { minTokens, ignoreEnds = false } = request.limits;
  return {
    fields: {
      ...sampling,
      ...(topK !== undefined && { top_k: topK === 0 ? -1 : topK }),
      ...(seed !== undefined && { [seedName]: ((seed % SEEDS) + SEEDS) % SEEDS }),
      ...(logitBias !== undefined && { logit_bias: Object.fromEntries(logitBias) }),
      ...stopFields(request, peer, ends),
      ...(minTokens !== undefined && { [minTokensName]: minTokens }),
      ...(ignoreEnds && { ignore_eos: true }),
    },
    ignored,
  };
}

/**
 * The beginning of a stop string may have been sent before the rest is there, so it must not be cut off behind that. Ids that
 * end an answer are not cut off then either: those of a caller are watched for here, where ids are told.
 */
function stopFields({ input, limits }: ContinuationRequest, peer: SglangPeer, ends: ReadonlySet<number>): object {
  const { stopStrings, stopSequences, ignoreEnds = false } = limits;
  const single = stopSequences.flatMap((ids) => (ids.length === 1 ? ids : []));
  const tellsIds = input.kind !== "chat" || peer.rendersChats;
  const keepsStops = stopStrings.length > 0 && (tellsIds || single.length === 0);
  const ids = [...(ignoreEnds ? [] : ends), ...(keepsStops ? [] : single)];
  return {
    ...(stopStrings.length > 0 && { stop: stopsToPass(stopStrings, MOST_STOPS) }),
    ...(keepsStops && { no_stop_trim: true }),
    ...(ids.length > 0 && { stop_token_ids: [...new Set(ids)] }),
  };
}

type Written = Pick<Asked, "truncatedTokens" | "countOffset" | "promptTokens" | "gap" | "thought" | "guarantee"> & {
  readonly question: Readonly<Record<string, unknown>>;
  /** Tokens that an answer may have. */
  readonly room: number;
};

async function written(request: ContinuationRequest, peer: Peer, signal: AbortSignal): Promise<Written> {
  if (peer.vocabulary === undefined) {
    const { input } = request;
    // An answer that goes on is text, which nobody turns into ids here.
    if (input.kind === "tokens" && input.answer === undefined) {
      const { tokens } = input;
      return { question: { input_ids: tokens }, room: roomBehind(peer, tokens), truncatedTokens: 0, countOffset: 0 };
    }
    const { text, ...prompt } = textPrompt(request, peer);
    return { question: { text }, room: Number.POSITIVE_INFINITY, truncatedTokens: 0, ...prompt };
  }
  const { tokens, ...prompt } = await promptIds(request, peer, peer.vocabulary, signal);
  return { question: { input_ids: tokens }, room: roomBehind(peer, tokens), countOffset: 0, ...prompt };
}

function roomBehind({ contextTokens }: Peer, { length }: readonly number[]): number {
  return contextTokens === undefined ? Number.POSITIVE_INFINITY : contextTokens - length;
}

/** Its grammars are written as llama.cpp's. */
function shapeFields(shape: AnswerShape): object {
  return "gbnf" in shape ? { ebnf: shape.gbnf } : { json_schema: JSON.stringify(shape.schema) };
}

function logprobFields({ logprobs }: ContinuationRequest): object {
  if (logprobs === undefined) return {};
  return { return_logprob: true, top_logprobs_num: logprobs, return_text_in_logprobs: true };
}

function reader({ name }: Upstream, peer: SglangPeer, { input }: ContinuationRequest): PieceReader {
  if (input.kind === "chat" && !peer.rendersChats) return (data) => choiceEvent(name, data).piece;
  return generatedReader(name, peer.streamsPieces, (id) => peer.vocabulary?.spelling(id));
}
