import type { Chat } from "../../continuation/input.ts";
import { speaksChatMl } from "../../continuation/lower.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";
import type { AnswerShape } from "../../continuation/shape.ts";
import { THINKING_OFF } from "../../continuation/thinking.ts";
import { continuedChat } from "./chat-body.ts";
import { countIn, idsIn, isObject, type JsonObject, textIn } from "./json.ts";
import { learnWeights } from "./learn-weights.ts";
import { choiceEvent, listedModels, meantModel, PROBE_MS } from "./openai-wire.ts";
import type { Adapter, Asked, Peer, Piece, PieceReader, RemoteModel } from "./peer.ts";
import { textPrompt } from "./prompt.ts";
import { promptIds } from "./tokenize-route.ts";
import type { Upstream } from "./transport.ts";
import { malformed } from "./upstream-error.ts";
import { chatIds } from "./vllm-chat.ts";
import { endsOf } from "./vocabulary.ts";
import { COMMON_SPELLINGS, OPENAI_SPELLINGS, stopsToPass, wishesOf } from "./wishes.ts";

interface VllmPeer extends Peer {
  /** Chats are rendered here, as token ids. */
  readonly rendersChats: boolean;
}

/**
 * vLLM. Prompts go to `/v1/completions` as token ids, where its `/tokenize` is there, and chats of ChatML too. Other chats go
 * to its chat route, as only it has the template, or rendered by its `/tokenize` to `/v1/completions` where their tokens must
 * be known (`vllm-chat.ts`). Written after its documented wire form (0.12 and later), and seen live with 0.32.0 on a processor.
 */
export const vllm: Adapter<VllmPeer> = { kind: "vllm", probe, identify, lower, reader };

const MOST_STOPS = 64;

/** How long the prompt of a chat is, only vLLM knows; it may be gone before it says so at the end. */
const COUNTED = { stream_options: { include_usage: true, continuous_usage_stats: true } };

async function probe(upstream: Upstream, about: RemoteModel, signal: AbortSignal): Promise<VllmPeer> {
  const version = await versionOf(upstream, signal);
  const listed = await listedModels(upstream, signal);
  const { id, entry } = meantModel(upstream, about, listed);
  const { weights, vocabulary, writesChatMl } = await learnWeights(upstream, id, about, signal);
  // Weights without a template get ChatML where their vocabulary has it, as on the embedded engine.
  const rendersChats = writesChatMl ?? speaksChatMl(weights);
  const contextTokens = about.contextTokens ?? countIn(entry, "max_model_len");
  return {
    model: id,
    program: `vLLM ${version}`,
    identity: identityOf(version, listed),
    weights,
    chat: true,
    chatPrefix: true,
    prefixSpelling: rendersChats ? "rendered" : "continue_final_message",
    rendersChats,
    ...(contextTokens !== undefined && { contextTokens }),
    ...(vocabulary !== undefined && { vocabulary }),
  };
}

async function identify(upstream: Upstream, _about: RemoteModel, signal: AbortSignal): Promise<string> {
  return identityOf(await versionOf(upstream, signal), await listedModels(upstream, signal));
}

/** The time in the list is that of the question, so it tells nothing. */
function identityOf(version: string, listed: Awaited<ReturnType<typeof listedModels>>): string {
  return JSON.stringify([version, listed?.map(({ id, entry }) => [id, entry["root"], entry["max_model_len"]])]);
}

async function versionOf(upstream: Upstream, signal: AbortSignal): Promise<string> {
  const answer = await upstream.json("GET", `${upstream.address.root}/version`, PROBE_MS, signal);
  const version = isObject(answer) ? textIn(answer, "version") : undefined;
  if (version === undefined)
    throw malformed(upstream.name, "something at /version that is not vLLM's; check the kind and the address");
  return version;
}

async function lower(
  request: ContinuationRequest,
  peer: VllmPeer,
  about: RemoteModel,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<Asked> {
  const { address } = upstream;
  const { fields, logitBias, ignored } = wishesOf(request, { ...OPENAI_SPELLINGS, ...COMMON_SPELLINGS });
  const { top_k: topK, ...sampling } = fields;
  const ends = peer.vocabulary === undefined ? new Set<number>() : endsOf(peer.vocabulary, peer.weights.fim, undefined);
  const shared = {
    model: peer.model,
    stream: true,
    stream_options: { include_usage: true },
    return_token_ids: true,
    ...sampling,
    // 0 was refused before 0.10.
    ...(topK !== undefined && { top_k: topK === 0 ? -1 : topK }),
    ...(logitBias !== undefined && { logit_bias: Object.fromEntries(logitBias) }),
    ...endFields(request, ends),
    ...(request.shape !== undefined && shapeFields(request.shape)),
  };
  const { input } = request;
  if (input.kind !== "chat" || peer.rendersChats) {
    const { body, ...prompt } = await completion(request, peer, signal);
    return { path: `${address.api}/completions`, body: { ...shared, ...body }, ...prompt, ends, ignored };
  }
  const truncate = request.limits.truncate ? ["truncate"] : [];
  const asked = { truncatedTokens: 0, countOffset: 0, ends, ignored: [...ignored, ...truncate] };
  const known = await chatIds(input, request, peer, upstream, signal);
  if (known !== undefined) {
    const { tokens, ...chat } = known;
    const body = { ...shared, ...idsBody(tokens, request, peer) };
    return { ...asked, ...chat, path: `${address.api}/completions`, body, promptTokens: tokens.length };
  }
  const body = { ...shared, ...continuedChat(input, request, peer), ...COUNTED, ...thinkingOff(input, peer, about) };
  return { ...asked, path: `${address.api}/chat/completions`, body };
}

/** Without its tokenizer nobody can see whether its template knows thinking. */
function thinkingOff({ assistantPrefix = "" }: Chat, { vocabulary }: Peer, { thinking }: RemoteModel): object {
  return assistantPrefix !== "" && vocabulary === undefined && thinking !== false
    ? { chat_template_kwargs: THINKING_OFF }
    : {};
}

function endFields({ limits }: ContinuationRequest, ends: ReadonlySet<number>): object {
  const { stopStrings, stopSequences, minTokens, ignoreEnds = false } = limits;
  const single = stopSequences.flatMap((ids) => (ids.length === 1 ? ids : []));
  const stopIds = ignoreEnds ? single : [...new Set([...single, ...ends])];
  return {
    ...(stopStrings.length > 0 && { stop: stopsToPass(stopStrings, MOST_STOPS) }),
    ...(stopIds.length > 0 && { stop_token_ids: stopIds }),
    ...(minTokens !== undefined && { min_tokens: minTokens }),
    ...(ignoreEnds && { ignore_eos: true }),
  };
}

type Prompted = Pick<
  Asked,
  "body" | "truncatedTokens" | "countOffset" | "promptTokens" | "gap" | "thought" | "guarantee"
>;

async function completion(request: ContinuationRequest, peer: Peer, signal: AbortSignal): Promise<Prompted> {
  if (peer.vocabulary === undefined) {
    const { limits, logprobs } = request;
    const { text, ...prompt } = textPrompt(request, peer);
    const limit = limits.maxTokens === undefined ? {} : { max_tokens: limits.maxTokens };
    const scores = logprobs === undefined ? {} : { logprobs };
    return { body: { prompt: text, ...limit, ...scores }, truncatedTokens: 0, ...prompt };
  }
  const { tokens, ...prompt } = await promptIds(request, peer, peer.vocabulary, signal);
  return { body: idsBody(tokens, request, peer), countOffset: 0, ...prompt };
}

function idsBody(
  tokens: readonly number[],
  { limits, logprobs }: ContinuationRequest,
  { contextTokens = Number.POSITIVE_INFINITY }: Peer,
): Asked["body"] {
  // Without a limit it would be 16 there, and more than there is room for is refused.
  const room = contextTokens - tokens.length;
  const most = Math.max(1, Math.min(limits.maxTokens ?? room, room));
  return {
    prompt: tokens,
    ...(Number.isFinite(most) && { max_tokens: most }),
    ...(logprobs !== undefined && { logprobs }),
  };
}

function shapeFields(shape: AnswerShape): object {
  if ("gbnf" in shape) return { structured_outputs: { grammar: shape.gbnf } };
  return { response_format: { type: "json_schema", json_schema: { name: "answer", schema: shape.schema } } };
}

function reader({ name }: Upstream, _peer: VllmPeer, { input, logprobs }: ContinuationRequest): PieceReader {
  // Beside the likeliest tokens its completions tell the one that was drawn, which a chat does not have twice.
  const most = input.kind === "chat" ? logprobs : undefined;
  return (data) => {
    const { choice, piece: said } = choiceEvent(name, data);
    const piece = most === undefined ? said : withMost(most, said);
    if (choice === undefined) return piece;
    const tokens = idsIn(choice, "token_ids");
    return tokens === undefined ? piece : { ...piece, tokens: withoutEnd(tokens, choice, piece) };
  };
}

function withMost(most: number, { logprobs, ...piece }: Piece): Piece {
  if (logprobs === undefined) return piece;
  return { ...piece, logprobs: logprobs.map(({ top, ...each }) => ({ ...each, top: top.slice(0, most) })) };
}

/** The token that ended an answer is among the ids, and no part of the answer. A stop string is: it was generated. */
function withoutEnd(tokens: readonly number[], choice: JsonObject, { finish }: Piece): readonly number[] {
  const isStopString = typeof choice["stop_reason"] === "string";
  return finish?.raw === "stop" && !isStopString ? tokens.slice(0, -1) : tokens;
}
