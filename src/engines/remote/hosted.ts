import { PrefixEcho } from "../../continuation/emulation/prefix-echo.ts";
/** Services that speak OpenAI's API with differences of their own: each is a row of data, and what follows from it is here. */
import { fimMarkers } from "../../continuation/fim.ts";
import type { Chat } from "../../continuation/input.ts";
import type { Weights } from "../../continuation/lower.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";
import { ANY_JSON_OBJECT } from "../../continuation/shape.ts";
import type { Address } from "./address.ts";
import { formatOf, messageOf, openedBy, type QuietPeer } from "./chat-body.ts";
import { type Gap, gapPrompt } from "./hosted-gap.ts";
import { countIn, type JsonObject, objectIn } from "./json.ts";
import { configuredFim, listedOrNone } from "./openai.ts";
import { choiceEvent, type ListedModel, meantModel } from "./openai-wire.ts";
import type { Adapter, Asked, Piece, PieceReader, PrefixSpelling, RemoteModel } from "./peer.ts";
import type { Upstream } from "./transport.ts";
import { cannot, refuseShapeBehindPrefix, type Spellings, stopsToPass, wishesOf } from "./wishes.ts";

/** What one route takes. */
interface Route {
  readonly path: (address: Address) => string;
  readonly spellings: Spellings;
  readonly logprobs: boolean;
  /** It refuses or ignores a bias unless this is said. */
  readonly logitBias?: true;
  readonly minTokens?: true;
}

export interface Service {
  readonly kind: string;
  /** For people. */
  readonly name: string;
  /** An address there is taken for it; at any other it has to be named. */
  readonly hosts: RegExp;
  readonly chat: Route & {
    readonly maxTokens: string;
    /** JSON Schemas; all services here take any JSON object. */
    readonly schemas: boolean;
    /** `field`: the text as `prefix` beside the messages. */
    readonly prefix: PrefixSpelling | "field";
    /** How it is told not to think, which it is with the beginning of an answer, and for which of its models. */
    readonly thinkingOff?: { readonly fields: object; readonly isNeeded: (entry: JsonObject) => boolean };
    /** Its answer may begin with the prefix once more. */
    readonly echoes?: true;
  };
  /** Absent: it answers chats only. */
  readonly completions?: Route & { readonly gap: (about: RemoteModel) => Gap | undefined };
  /** The list of its models. Absent: where OpenAI has it. */
  readonly models?: (address: Address) => string;
  readonly mostStops: number;
  /** Bytes of UTF-8; longer stop strings are watched for here alone. */
  readonly longestStop?: number;
  /** False: it would refuse `stream_options`. */
  readonly streamOptions: boolean;
  /** Sent with every request. */
  readonly always?: object;
}

export function hosted(service: Service): Adapter<QuietPeer> {
  return {
    kind: service.kind,
    hosts: service.hosts,
    probe: async (upstream, about, signal) => peerOf(service, about, await meant(service, upstream, about, signal)),
    identify: async (upstream, about, signal) =>
      identityOf(service, about, await meant(service, upstream, about, signal)),
    lower: async (request, peer, about, { address }) => lower(service, request, peer, about, address),
    reader: (upstream, _peer, request) => reader(service, upstream, request),
  };
}

async function meant(
  { models }: Service,
  upstream: Upstream,
  about: RemoteModel,
  signal: AbortSignal,
): Promise<ListedModel> {
  return meantModel(upstream, about, await listedOrNone(upstream, signal, models?.(upstream.address)));
}

/** What the list says of a model, in the words of Mistral, Moonshot and OpenRouter. */
function listedFacts({ entry }: ListedModel): { contextTokens?: number; fills: boolean; chats: boolean } {
  const contextTokens = countIn(entry, "max_context_length") ?? countIn(entry, "context_length");
  const { completion_fim, completion_chat } = objectIn(entry, "capabilities") ?? {};
  return {
    ...(contextTokens !== undefined && { contextTokens }),
    fills: completion_fim !== false,
    chats: completion_chat !== false,
  };
}

function identityOf({ kind }: Service, about: RemoteModel, listed: ListedModel): string {
  return JSON.stringify([kind, listed.id, about.model, listedFacts(listed)]);
}

function peerOf(service: Service, about: RemoteModel, listed: ListedModel): QuietPeer {
  const { contextTokens = undefined, fills, chats } = listedFacts(listed);
  const gap = fills ? service.completions?.gap(about) : undefined;
  const fim = gap === "layout" ? configuredFim(about) : typeof gap === "object" ? gap.template : undefined;
  const context = about.contextTokens ?? contextTokens;
  const off = service.chat.thinkingOff;
  const thinkingOff = (about.thinking ?? off?.isNeeded(listed.entry) ?? false) ? off?.fields : undefined;
  const weights: Weights = {
    id: listed.id,
    controls: new Set(fim === undefined ? [] : fimMarkers(fim)),
    healing: false,
    templateTokens: { bos: "", eos: "" },
    ...(fim !== undefined && { fim }),
  };
  return {
    model: listed.id,
    program: service.name,
    identity: identityOf(service, about, listed),
    weights,
    ...(gap === "suffix" && { takesSuffix: true }),
    chat: chats,
    chatPrefix: chats,
    ...(chats && { prefixSpelling: service.chat.prefix }),
    ...(service.completions === undefined && { chatOnly: true }),
    ...(thinkingOff !== undefined && { thinkingOff }),
    ...(context !== undefined && { contextTokens: context }),
  };
}

function lower(
  service: Service,
  request: ContinuationRequest,
  peer: QuietPeer,
  about: RemoteModel,
  address: Address,
): Asked {
  const { input, limits, logprobs } = request;
  const route = input.kind === "chat" ? service.chat : service.completions;
  if (route === undefined)
    throw cannot("route for text (it answers chats only; its operator may set `emulate: true`)", "prompt");
  refuseWhatItLacks(request, route);
  const { fields, logitBias, ignored } = wishesOf(request, route.spellings);
  if (logitBias !== undefined && route.logitBias === undefined) throw cannot("bias of single tokens", "logit_bias");
  const stops = limits.stopStrings.filter((stop) => Buffer.byteLength(stop) <= (service.longestStop ?? Infinity));
  const shared = {
    model: peer.model,
    stream: true,
    ...(service.streamOptions && { stream_options: { include_usage: true } }),
    ...service.always,
    ...foldedSeed(fields, route),
    ...(logitBias !== undefined && { logit_bias: Object.fromEntries(logitBias) }),
    ...(limits.minTokens !== undefined && route.minTokens && { min_tokens: limits.minTokens }),
    ...(stops.length > 0 && { stop: stopsToPass(stops, service.mostStops) }),
  };
  const asked = {
    path: route.path(address),
    truncatedTokens: 0,
    ends: new Set<number>(),
    ignored: [...ignored, ...(limits.truncate ? ["truncate"] : [])],
  };
  if (input.kind === "chat")
    return { ...asked, countOffset: 0, body: { ...shared, ...chatBody(service, input, request, peer) } };
  const { body, ...prompt } = gapPrompt(request, peer, service.completions?.gap(about));
  const most = limits.maxTokens ?? about.maxOutputTokens;
  const rest = { ...(most !== undefined && { max_tokens: most }), ...(logprobs !== undefined && { logprobs }) };
  return { ...asked, ...prompt, body: { ...shared, ...body, ...rest } };
}

function refuseWhatItLacks({ limits, input, shape, logprobs }: ContinuationRequest, route: Route): void {
  if (limits.stopSequences.length > 0) throw cannot("stop by token ids", "stop");
  if ((limits.minTokens ?? 0) > 0 && !route.minTokens) throw cannot("minimum number of tokens", "min_tokens");
  if (limits.ignoreEnds === true) throw cannot("answers beyond their end", "ignore_eos");
  if (logprobs !== undefined && !route.logprobs) throw cannot("log probabilities on this route", "logprobs");
  if (shape !== undefined && input.kind !== "chat")
    throw cannot("answers of a given shape on its completions route", "grammar");
}

/** Most services take seeds of 31 bits. */
const SEEDS = 2 ** 31;

function foldedSeed(fields: Readonly<Record<string, number>>, { spellings }: Route): Readonly<Record<string, number>> {
  const name = spellings.seed;
  const seed = name === undefined ? undefined : fields[name];
  if (name === undefined || seed === undefined) return fields;
  return { ...fields, [name]: ((seed % SEEDS) + SEEDS) % SEEDS };
}

function chatBody(
  { chat, name }: Service,
  { messages: given, assistantPrefix: prefix = "" }: Chat,
  request: ContinuationRequest,
  { thinkingOff }: QuietPeer,
): Readonly<Record<string, unknown>> {
  refuseShapeBehindPrefix(request);
  const messages = given.map(messageOf);
  const { limits, logprobs, shape } = request;
  if (shape !== undefined && shape !== ANY_JSON_OBJECT && !chat.schemas)
    throw cannot(`answers that follow a JSON Schema (${name} takes any JSON object only)`, "response_format");
  return {
    ...(prefix === "" ? { messages } : { ...begun(messages, prefix, chat.prefix), ...thinkingOff }),
    ...(shape !== undefined && {
      response_format: shape === ANY_JSON_OBJECT ? { type: "json_object" } : formatOf(shape),
    }),
    ...(limits.maxTokens !== undefined && { [chat.maxTokens]: limits.maxTokens }),
    ...(logprobs !== undefined && { logprobs: true, top_logprobs: logprobs }),
  };
}

function begun(
  messages: readonly object[],
  prefix: string,
  spelling: Service["chat"]["prefix"],
): Readonly<Record<string, unknown>> {
  return spelling === "field" ? { messages, prefix } : openedBy(messages, prefix, spelling);
}

function reader({ chat }: Service, { name }: Upstream, { input }: ContinuationRequest): PieceReader {
  const prefix = (input.kind === "chat" && chat.echoes && input.assistantPrefix) || "";
  if (prefix === "") return (data) => choiceEvent(name, data).piece;
  const echo = new PrefixEcho("", [prefix]);
  return (data) => {
    const { piece } = choiceEvent(name, data);
    const text = echo.push(piece.text ?? "");
    return withText(piece, piece.finish === undefined ? text : text + echo.end());
  };
}

function withText(piece: Piece, text: string): Piece {
  return text === "" && piece.text === undefined ? piece : { ...piece, text };
}
