import type { Chat } from "../../continuation/input.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";
import { ANY_JSON_OBJECT } from "../../continuation/shape.ts";
import type { Address } from "./address.ts";
import { formatOf, messageOf, openedBy } from "./chat-body.ts";
import { DASHSCOPE_HOSTS } from "./dashscope.ts";
import { countIn, isObject, type JsonObject, listIn, objectIn, textIn } from "./json.ts";
import { listedOrNone } from "./openai.ts";
import { eventOf, finishOf, logprobsOf, meantModel } from "./openai-wire.ts";
import type { Adapter, Asked, Peer, Piece, PieceReader, RemoteModel } from "./peer.ts";
import type { Upstream } from "./transport.ts";
import { malformed, refused } from "./upstream-error.ts";
import { cannot, refuseShapeBehindPrefix, type Spellings, stopsToPass, wishesOf } from "./wishes.ts";

/**
 * Alibaba Cloud Model Studio by its own protocol: chats, with Partial Mode. Some models answer only on the multimodal route;
 * an address that names that route is asked there. docs/wire.md 2.3 and 4.
 */
export const dashscopeNative: Adapter = {
  kind: "dashscope-native",
  hosts: DASHSCOPE_HOSTS,
  paths: /\/services\/aigc\//u,
  probe,
  identify: async (upstream, about, signal) => JSON.stringify([await meant(upstream, about, signal), about.model]),
  lower: async (request, peer, about, { address }) => lower(request, peer, about, address),
  reader: ({ name }) => readerOf(name),
};

const SPELLINGS: Spellings = {
  temperature: "temperature",
  topP: "top_p",
  topK: "top_k",
  presencePenalty: "presence_penalty",
  repetitionPenalty: "repetition_penalty",
  seed: "seed",
};

const TEXT_ROUTE = "/api/v1/services/aigc/text-generation/generation";
const MULTIMODAL_ROUTE = "/api/v1/services/aigc/multimodal-generation/generation";
const MOST_STOPS = 16;
const SEEDS = 2 ** 31;

/** The list of the compatible mode has the same models; the route has none of its own that is documented for all regions. */
async function meant(upstream: Upstream, about: RemoteModel, signal: AbortSignal): Promise<string> {
  return meantModel(
    upstream,
    about,
    await listedOrNone(upstream, signal, `${before(upstream.address)}/compatible-mode/v1/models`),
  ).id;
}

async function probe(upstream: Upstream, about: RemoteModel, signal: AbortSignal): Promise<Peer> {
  const id = await meant(upstream, about, signal);
  return {
    model: id,
    program: "DashScope",
    identity: JSON.stringify([id, about.model]),
    weights: { id, controls: new Set(), healing: false, templateTokens: { bos: "", eos: "" } },
    chat: true,
    chatPrefix: true,
    prefixSpelling: "partial",
    ...(about.contextTokens !== undefined && { contextTokens: about.contextTokens }),
  };
}

/** What a gateway may put in front of DashScope's own paths. */
function before({ root }: Address): string {
  return root.replace(/\/(?:api|compatible-mode)(?:\/.*)?$/u, "");
}

function isMultimodal({ api }: Address): boolean {
  return /\/multimodal-generation(\/generation)?$/u.test(api);
}

function lower(request: ContinuationRequest, peer: Peer, { thinking }: RemoteModel, address: Address): Asked {
  const { input, limits, logprobs, shape } = request;
  if (input.kind !== "chat") throw cannot("route for text (it answers chats only)", "prompt");
  refuseWhatItLacks(request);
  const { fields, logitBias, ignored } = wishesOf(request, SPELLINGS);
  if (logitBias !== undefined) throw cannot("bias of single tokens", "logit_bias");
  const { seed, ...settings } = fields;
  const multimodal = isMultimodal(address);
  const isBegun = (input.assistantPrefix ?? "") !== "";
  return {
    path: before(address) + (multimodal ? MULTIMODAL_ROUTE : TEXT_ROUTE),
    headers: { "x-dashscope-sse": "enable" },
    body: {
      model: peer.model,
      input: { messages: messagesOf(input, multimodal) },
      parameters: {
        result_format: "message",
        incremental_output: true,
        ...settings,
        ...(seed !== undefined && { seed: ((seed % SEEDS) + SEEDS) % SEEDS }),
        ...(limits.maxTokens !== undefined && { max_tokens: limits.maxTokens }),
        ...stopFields(request),
        ...(shape !== undefined && {
          response_format: shape === ANY_JSON_OBJECT ? { type: "json_object" } : formatOf(shape),
        }),
        ...(logprobs !== undefined && { logprobs: true, top_logprobs: logprobs }),
        // What thinks does not go on from a prefix.
        ...(isBegun && thinking !== false && { enable_thinking: false }),
      },
    },
    truncatedTokens: 0,
    countOffset: 0,
    ends: new Set<number>(),
    ignored: [...ignored, ...(limits.truncate ? ["truncate"] : [])],
  };
}

function refuseWhatItLacks(request: ContinuationRequest): void {
  const { limits } = request;
  if ((limits.minTokens ?? 0) > 0) throw cannot("minimum number of tokens", "min_tokens");
  if (limits.ignoreEnds === true) throw cannot("answers beyond their end", "ignore_eos");
  refuseShapeBehindPrefix(request);
}

/** Strings or ids, and not both. Of sequences nobody would know here where they begin. */
function stopFields({ limits: { stopStrings, stopSequences } }: ContinuationRequest): object {
  if (stopSequences.length === 0) return stopStrings.length === 0 ? {} : { stop: stopsToPass(stopStrings, MOST_STOPS) };
  if (stopStrings.length > 0) throw cannot("way to stop both at strings and at token ids", "stop");
  const ids = stopSequences.flatMap((sequence) => (sequence.length === 1 ? sequence : []));
  if (ids.length < stopSequences.length) throw cannot("stop by sequences of token ids", "stop");
  return { stop: ids };
}

function messagesOf({ messages: given, assistantPrefix = "" }: Chat, multimodal: boolean): readonly object[] {
  const written = given.map(messageOf);
  const { messages } = assistantPrefix === "" ? { messages: written } : openedBy(written, assistantPrefix, "partial");
  const all = (messages as readonly object[]).filter(isObject);
  if (!multimodal) return all;
  return all.map((message) => ({ ...message, content: [{ text: textIn(message, "content") ?? "" }] }));
}

function readerOf(engine: string): PieceReader {
  return (data) => {
    const event = eventOf(engine, data);
    const output = objectIn(event, "output");
    if (output === undefined) throw refusedEvent(engine, event);
    const [choice] = (listIn(output, "choices") ?? []).filter(isObject);
    const usage = usageOf(objectIn(event, "usage") ?? {});
    if (choice === undefined) return { usage };
    const raw = choice["finish_reason"];
    const finish = raw === "null" ? undefined : finishOf(engine, raw);
    const logprobs = logprobsOf(choice["logprobs"]);
    return {
      text: contentOf(objectIn(choice, "message") ?? {}),
      usage,
      ...(finish !== undefined && { finish }),
      ...(logprobs !== undefined && { logprobs }),
    };
  };
}

/** The multimodal route sends lists. */
function contentOf(message: JsonObject): string {
  const parts = listIn(message, "content");
  if (parts === undefined) return textIn(message, "content") ?? "";
  return parts
    .filter(isObject)
    .map((part) => textIn(part, "text") ?? "")
    .join("");
}

/** Totals so far, in every event. */
function usageOf(usage: JsonObject): NonNullable<Piece["usage"]> {
  const [promptTokens, completionTokens] = [countIn(usage, "input_tokens"), countIn(usage, "output_tokens")];
  const cachedPromptTokens = countIn(objectIn(usage, "prompt_tokens_details") ?? {}, "cached_tokens");
  return {
    ...(promptTokens !== undefined && { promptTokens }),
    ...(completionTokens !== undefined && { completionTokens }),
    ...(cachedPromptTokens !== undefined && { cachedPromptTokens }),
  };
}

/** Beginnings of error codes, and the status that they come with where there is one. */
const STATUSES: readonly (readonly [string, number])[] = [
  ["Throttling", 429],
  ["LimitRequests", 429],
  ["InvalidParameter", 400],
  ["BadRequest", 400],
  ["DataInspectionFailed", 400],
  ["InvalidApiKey", 401],
  ["Arrearage", 402],
  ["AllocationQuota", 402],
  ["AccessDenied", 403],
  ["Model.AccessDenied", 403],
  ["Workspace.AccessDenied", 403],
  ["ModelNotFound", 404],
  ["RequestTimeOut", 504],
  ["InternalError.Timeout", 504],
  ["ModelServingError", 503],
  ["ModelUnavailable", 503],
];

/** An error that came as an event: the status of the answer was sent before, or is 200 all the same. */
function refusedEvent(engine: string, event: JsonObject): Error {
  const code = textIn(event, "code");
  if (code === undefined) return malformed(engine, "an event without output");
  const [, told] = /^<([45]\d\d)>/u.exec(textIn(event, "message") ?? "") ?? [];
  const status = STATUSES.find(([beginning]) => code.startsWith(beginning))?.[1] ?? Number(told ?? 500);
  return refused(engine, { status, body: event });
}
