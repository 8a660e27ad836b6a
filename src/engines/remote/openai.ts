import { guessedPromptTokens } from "../../continuation/estimate.ts";
import { type FimLayout, fimMarkers } from "../../continuation/fim.ts";
import type { Chat } from "../../continuation/input.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";
import { THINKING_OFF } from "../../continuation/thinking.ts";
import { ServiceError } from "../../errors.ts";
import { formatOf, messageOf, openedBy, type QuietPeer, refuseControlsIn } from "./chat-body.ts";
import { choiceEvent, listedModels, meantModel } from "./openai-wire.ts";
import type { Adapter, Asked, Peer, PieceReader, PrefixSpelling, RemoteModel } from "./peer.ts";
import { textPrompt } from "./prompt.ts";
import type { Upstream } from "./transport.ts";
import { isMissingRoute } from "./upstream-error.ts";
import {
  COMMON_SPELLINGS,
  cannot,
  OPENAI_SPELLINGS,
  refuseShapeBehindPrefix,
  type Spellings,
  stopsToPass,
  wishesOf,
} from "./wishes.ts";

/** Whoever speaks OpenAI's API and nothing more that is known: what else it can do has to be configured. */
export const openAi: Adapter<QuietPeer> = { kind: "openai", probe, identify, lower, reader };

/** OpenAI takes no more stop strings; all are watched for here too. */
const MOST_STOPS = 4;

async function probe(upstream: Upstream, about: RemoteModel, signal: AbortSignal): Promise<QuietPeer> {
  const listed = await listedOrNone(upstream, signal);
  const { id } = meantModel(upstream, about, listed);
  const fim = configuredFim(about);
  const controls = new Set(fim === undefined ? [] : fimMarkers(fim));
  return {
    model: id,
    program: "OpenAI API",
    identity: identityOf(listed),
    weights: { id, controls, healing: false, templateTokens: { bos: "", eos: "" }, ...(fim !== undefined && { fim }) },
    chat: true,
    chatPrefix: about.prefix !== undefined,
    ...(about.prefix !== undefined && { prefixSpelling: about.prefix }),
    // Nobody can be asked for its routes; who wants instructions has no other way.
    ...(about.emulate === true && { chatOnly: true }),
    ...(about.thinking === true && { thinkingOff: { chat_template_kwargs: THINKING_OFF } }),
    ...(about.contextTokens !== undefined && { contextTokens: about.contextTokens }),
  };
}

async function identify(upstream: Upstream, _about: RemoteModel, signal: AbortSignal): Promise<string> {
  return identityOf(await listedOrNone(upstream, signal));
}

/** Not everybody has a list; who answers that there is none is there. */
export async function listedOrNone(
  upstream: Upstream,
  signal: AbortSignal,
  path?: string,
): ReturnType<typeof listedModels> {
  try {
    return await listedModels(upstream, signal, path);
  } catch (error) {
    if (!isMissingRoute(error)) throw error;
    return undefined;
  }
}

function identityOf(listed: Awaited<ReturnType<typeof listedModels>>): string {
  return JSON.stringify(listed?.map(({ id }) => id) ?? null);
}

/** Nobody can be asked what the vocabulary has, so a layout is taken on the operator's word. */
export function configuredFim({ name, fim, fimLayouts }: RemoteModel): FimLayout | undefined {
  if (fim === undefined || fim === false) return undefined;
  const layout = fimLayouts.find(({ family }) => family === fim);
  if (layout !== undefined) return layout;
  const known = fimLayouts.map(({ family }) => family).join(", ");
  const message = `model "${name}": there is no fill-in-the-middle layout "${fim}"; known: ${known}`;
  throw new ServiceError("model_unavailable", message);
}

async function lower(
  request: ContinuationRequest,
  peer: QuietPeer,
  about: RemoteModel,
  { address }: Upstream,
): Promise<Asked> {
  const { input, limits } = request;
  refuseWhatItLacks(request);
  const { fields, logitBias, ignored } = wishesOf(request, { ...OPENAI_SPELLINGS, ...extraSpellings(about.fields) });
  const shared = {
    model: peer.model,
    stream: true,
    stream_options: { include_usage: true },
    ...fields,
    ...(logitBias !== undefined && { logit_bias: Object.fromEntries(logitBias) }),
    ...(limits.stopStrings.length > 0 && { stop: stopsToPass(limits.stopStrings, MOST_STOPS) }),
  };
  const asked = {
    truncatedTokens: 0,
    ends: new Set<number>(),
    ignored: [...ignored, ...(limits.truncate ? ["truncate"] : [])],
  };
  if (input.kind === "chat") {
    refuseControlsIn(input.messages, input.assistantPrefix ?? "", peer.weights.controls);
    const body = { ...shared, ...chatBody(input, request, about.prefix, peer) };
    return { ...asked, path: `${address.api}/chat/completions`, body, countOffset: 0 };
  }
  const { text, ...prompt } = textPrompt(request, peer);
  const body = { ...shared, prompt: text, ...completionFields(request, peer, about) };
  return { ...asked, path: `${address.api}/completions`, body, ...prompt };
}

function refuseWhatItLacks({ limits, input, shape }: ContinuationRequest): void {
  if (limits.stopSequences.length > 0) throw cannot("stop by token ids", "stop");
  if ((limits.minTokens ?? 0) > 0) throw cannot("minimum number of tokens", "min_tokens");
  if (limits.ignoreEnds === true) throw cannot("answers beyond their end", "ignore_eos");
  if (shape !== undefined && input.kind !== "chat")
    throw cannot("answers of a given shape on its completions route", "grammar");
}

function completionFields(request: ContinuationRequest, peer: Peer, about: RemoteModel): object {
  const { limits, logprobs } = request;
  const maxTokens = limits.maxTokens ?? about.maxOutputTokens ?? roomLeft(request, peer);
  return {
    // Without a limit it would be 16 there.
    ...(maxTokens !== undefined && { max_tokens: maxTokens }),
    ...(logprobs !== undefined && { logprobs }),
  };
}

function roomLeft({ input }: ContinuationRequest, { contextTokens }: Peer): number | undefined {
  return contextTokens === undefined ? undefined : Math.max(1, contextTokens - guessedPromptTokens(input));
}

function extraSpellings(fields: ReadonlySet<string>): Spellings {
  return Object.fromEntries(Object.entries(COMMON_SPELLINGS).filter(([, name]) => fields.has(name)));
}

function chatBody(
  input: Chat,
  request: ContinuationRequest,
  spelling: PrefixSpelling | undefined,
  { thinkingOff }: QuietPeer,
): Readonly<Record<string, unknown>> {
  refuseShapeBehindPrefix(request);
  const messages = input.messages.map(messageOf);
  const { assistantPrefix } = input;
  const { limits, logprobs, shape } = request;
  const rest = {
    ...(shape !== undefined && { response_format: formatOf(shape) }),
    ...(limits.maxTokens !== undefined && { max_tokens: limits.maxTokens }),
    ...(logprobs !== undefined && { logprobs: true, top_logprobs: logprobs }),
  };
  // An empty prefix asks for nothing that a new answer does not give.
  if (assistantPrefix === undefined || assistantPrefix === "") return { messages, ...rest };
  if (spelling === undefined) {
    throw cannot(
      "known way to continue the beginning of an answer (its operator may configure one with `prefix:`, or `emulate: true`)",
      "messages",
    );
  }
  return { ...openedBy(messages, assistantPrefix, spelling), ...thinkingOff, ...rest };
}

function reader({ name }: Upstream): PieceReader {
  return (data) => choiceEvent(name, data).piece;
}
