import { chosenFim, fimMarkers } from "../../continuation/fim.ts";
import type { Chat, Message } from "../../continuation/input.ts";
import { speaksChatMl, type Weights } from "../../continuation/lower.ts";
import type { FinishReason } from "../../continuation/output.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";
import { ANY_JSON_OBJECT, type AnswerShape } from "../../continuation/shape.ts";
import { ServiceError } from "../../errors.ts";
import { messageOf, openedBy, refuseControlsIn } from "./chat-body.ts";
import { gapPrompt } from "./hosted-gap.ts";
import { countIn, isObject, type JsonObject, objectIn, parsed, textIn } from "./json.ts";
import { endSpellings, meant, type Shown, shown } from "./ollama-show.ts";
import { configuredFim } from "./openai.ts";
import { eventOf, logprobsOf, PROBE_MS } from "./openai-wire.ts";
import type { Adapter, Asked, Peer, Piece, PieceReader, RemoteModel } from "./peer.ts";
import { refuseControls } from "./prompt.ts";
import type { Upstream } from "./transport.ts";
import { malformed } from "./upstream-error.ts";
import { cannot, refuseShapeBehindPrefix, type Spellings, stopsToPass, wishesOf } from "./wishes.ts";

interface OllamaPeer extends Peer {
  /** Chats are rendered here, for its route of raw prompts. */
  readonly rendersChats: boolean;
  /** It thinks before it answers unless it is told not to. `closed`: what its template writes in front of an answer then. */
  readonly thoughts?: { readonly closed: string };
  /** Stop strings of its own, which those of a request take the place of. */
  readonly stops?: readonly string[];
  /** It puts a token before every raw prompt. */
  readonly addsBos?: boolean;
}

/**
 * Ollama, by its own routes. What it tells of a GGUF file's vocabulary decides what is rendered here and sent as a raw
 * prompt: texts, gaps, and chats of ChatML. Other chats go to its chat route, as only it has the template. Written after its
 * sources of 2026 (0.12.11 and later) and not seen live. https://docs.ollama.com/api
 */
export const ollama: Adapter<OllamaPeer> = { kind: "ollama", probe, identify, lower, reader };

const SPELLINGS: Spellings = {
  temperature: "temperature",
  topP: "top_p",
  topK: "top_k",
  minP: "min_p",
  presencePenalty: "presence_penalty",
  frequencyPenalty: "frequency_penalty",
  repetitionPenalty: "repeat_penalty",
  seed: "seed",
};

const MOST_STOPS = 64;
const SEEDS = 2 ** 31;
/** The first that refuses a prompt longer than its context when it is told to (others cut it and say nothing), and tells
 * log probabilities. */
const OLDEST = [0, 12, 11] as const;
/** What templates write in front of an answer that is not to be thought about. */
const CLOSED_THOUGHTS = "<think>\n\n</think>\n\n";

async function probe(upstream: Upstream, about: RemoteModel, signal: AbortSignal): Promise<OllamaPeer> {
  const version = await versionOf(upstream, signal);
  const { name, digest } = await meant(upstream, about, signal);
  const said = await shown(upstream, name, about, signal);
  const weights = weightsOf(name, about, said);
  const { capabilities, template, vocabulary } = said;
  const thinks = capabilities.has("thinking");
  const closesThoughts = template.includes(CLOSED_THOUGHTS);
  const rendersChats = speaksChatMl(weights) && (!thinks || closesThoughts);
  const contextTokens = about.contextTokens ?? said.contextTokens;
  return {
    model: name,
    program: `Ollama ${version}`,
    identity: JSON.stringify([version, name, digest]),
    weights,
    chat: true,
    chatPrefix: rendersChats || about.prefix === "plain",
    ...(rendersChats ? { prefixSpelling: "rendered" } : about.prefix === "plain" && { prefixSpelling: "plain" }),
    rendersChats,
    ...(thinks && { thoughts: { closed: closesThoughts ? CLOSED_THOUGHTS : "" } }),
    ...(said.stops.length > 0 && { stops: said.stops }),
    ...(weights.fim === undefined && about.fim !== false && capabilities.has("insert") && { takesSuffix: true }),
    ...(contextTokens !== undefined && { contextTokens }),
    ...(vocabulary !== undefined && { vocabularySize: vocabulary.size, addsBos: vocabulary.addsBos }),
  };
}

async function identify(upstream: Upstream, about: RemoteModel, signal: AbortSignal): Promise<string> {
  const version = await versionOf(upstream, signal);
  const { name, digest } = await meant(upstream, about, signal);
  return JSON.stringify([version, name, digest]);
}

async function versionOf(upstream: Upstream, signal: AbortSignal): Promise<string> {
  const answer = await upstream.json("GET", `${upstream.address.root}/api/version`, PROBE_MS, signal);
  const version = isObject(answer) ? textIn(answer, "version") : undefined;
  if (version === undefined)
    throw malformed(upstream.name, "something at /api/version that is not Ollama's; check the kind and the address");
  if (isTooOld(version)) {
    const message = `the engine "${upstream.name}" is Ollama ${version}, which cuts long prompts without saying so; update it to ${OLDEST.join(".")} or later`;
    throw new ServiceError("model_unavailable", message);
  }
  return version;
}

/** A build of somebody's own calls itself 0.0.0. */
function isTooOld(version: string): boolean {
  const numbers = /^(\d+)\.(\d+)\.(\d+)/u.exec(version)?.slice(1).map(Number) ?? [];
  if (numbers.every((each) => each === 0)) return false;
  const at = OLDEST.findIndex((least, index) => numbers[index] !== least);
  return at >= 0 && (numbers[at] ?? 0) < (OLDEST[at] ?? 0);
}

function weightsOf(id: string, about: RemoteModel, { vocabulary }: Shown): Weights {
  const fim = vocabulary === undefined ? configuredFim(about) : chosenFim(about, vocabulary.controls);
  return {
    id,
    controls: vocabulary?.controls ?? new Set(fim === undefined ? [] : fimMarkers(fim)),
    healing: false,
    templateTokens: { bos: "", eos: vocabulary?.eos ?? "" },
    ...(fim !== undefined && { fim }),
  };
}

async function lower(
  request: ContinuationRequest,
  peer: OllamaPeer,
  about: RemoteModel,
  { address }: Upstream,
): Promise<Asked> {
  const { input, limits, logprobs, shape } = request;
  refuseWhatItLacks(request);
  const { fields, logitBias, ignored } = wishesOf(request, SPELLINGS);
  if (logitBias !== undefined) throw cannot("bias of single tokens", "logit_bias");
  const isChat = input.kind === "chat" && !peer.rendersChats;
  const { body, ...prompt } = isChat ? chatBody(input, peer, about) : generateBody(request, peer);
  const stops = isChat ? stopsOfChat(limits.stopStrings, peer) : [...limits.stopStrings, ...endsOf(peer)];
  return {
    path: `${address.root}/api/${isChat ? "chat" : "generate"}`,
    body: {
      model: peer.model,
      stream: true,
      // A prompt that is too long is refused, and an answer ends where the context does.
      ...{ truncate: false, shift: false },
      ...(peer.thoughts !== undefined && { think: false }),
      ...body,
      options: {
        ...(about.contextTokens !== undefined && { num_ctx: about.contextTokens }),
        ...settingsOf(fields),
        ...(limits.maxTokens !== undefined && { num_predict: limits.maxTokens }),
        ...(stops !== undefined && { stop: stopsToPass(stops, MOST_STOPS) }),
      },
      ...(shape !== undefined && { format: formatOf(shape) }),
      ...(logprobs !== undefined && { logprobs: true, top_logprobs: logprobs }),
    },
    headers: { accept: "application/x-ndjson" },
    truncatedTokens: 0,
    ends: new Set<number>(),
    ignored: [...ignored, ...(limits.truncate ? ["truncate"] : [])],
    ...prompt,
  };
}

function refuseWhatItLacks(request: ContinuationRequest): void {
  const { limits } = request;
  if (limits.stopSequences.length > 0) throw cannot("stop by token ids", "stop");
  if ((limits.minTokens ?? 0) > 0) throw cannot("minimum number of tokens", "min_tokens");
  if (limits.ignoreEnds === true) throw cannot("answers beyond their end", "ignore_eos");
  refuseShapeBehindPrefix(request);
}

/** Ours looks back at all tokens; Ollama at 64, unless it is told otherwise. */
function settingsOf({ seed, ...fields }: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  const looksBack = Object.keys(fields).some((name) => name.endsWith("_penalty"));
  return {
    ...fields,
    ...(seed !== undefined && { seed: ((seed % SEEDS) + SEEDS) % SEEDS }),
    ...(looksBack && { repeat_last_n: -1 }),
  };
}

function formatOf(shape: AnswerShape): unknown {
  if ("gbnf" in shape) throw cannot("answers that follow a grammar", "grammar");
  return shape === ANY_JSON_OBJECT ? "json" : shape.schema;
}

type Prompted = Pick<Asked, "body" | "countOffset" | "gap">;

function generateBody(request: ContinuationRequest, peer: OllamaPeer): Prompted {
  const { body, countOffset, ...gap } = gapPrompt(opened(request, peer), peer, undefined);
  const { prompt, suffix } = body;
  // It would load the model and answer nothing.
  if (prompt === "") throw cannot("way to begin without any text", "prompt");
  if (suffix === undefined) return { body: { prompt, raw: true }, countOffset: countOffset - bosOf(peer), ...gap };
  for (const text of [prompt, suffix]) refuseControls(String(text), peer.weights.controls, "text");
  return { body: { prompt, suffix }, countOffset, ...gap };
}

function bosOf({ addsBos }: OllamaPeer): number {
  return addsBos === true ? 1 : 0;
}

/** With thoughts closed, as the template would have done it. */
function opened(request: ContinuationRequest, { thoughts }: OllamaPeer): ContinuationRequest {
  const { input } = request;
  if (input.kind !== "chat" || thoughts === undefined) return request;
  return { ...request, input: { ...input, assistantPrefix: thoughts.closed + (input.assistantPrefix ?? "") } };
}

/** Control tokens come as the text that they spell. */
function endsOf({ weights: { controls, fim, templateTokens } }: Peer): readonly string[] {
  return endSpellings(controls, [...(fim === undefined ? [] : fimMarkers(fim)), templateTokens.eos]);
}

/** Those of a request would take the place of the model's own. */
function stopsOfChat(wished: readonly string[], { stops = [] }: OllamaPeer): readonly string[] | undefined {
  return wished.length === 0 ? undefined : [...wished, ...stops];
}

function chatBody({ messages: given, assistantPrefix = "" }: Chat, { weights }: Peer, about: RemoteModel): Prompted {
  refuseControlsIn(given, assistantPrefix, weights.controls);
  const messages = given.map(chatMessage);
  if (assistantPrefix === "") return { body: { messages }, countOffset: 0 };
  if (about.prefix !== "plain") {
    const what =
      "known way to continue the beginning of an answer (if its template continues a last assistant message,";
    throw cannot(`${what} its operator may configure \`prefix: plain\`)`, "messages");
  }
  return { body: openedBy(messages, assistantPrefix, "plain"), countOffset: 0 };
}

function chatMessage({ toolCalls = [], ...message }: Message): object {
  if (toolCalls.length === 0) return messageOf(message);
  const calls = toolCalls.map(({ name, arguments: written }) => {
    const given = parsed(written)?.value;
    if (!isObject(given)) throw cannot("way to take a tool call whose arguments are no JSON object", "messages");
    return { function: { name, arguments: given } };
  });
  return { ...messageOf(message), tool_calls: calls };
}

function reader({ name }: Upstream): PieceReader {
  return (line) => {
    const event = eventOf(name, line);
    const text = textIn(objectIn(event, "message") ?? {}, "content") ?? textIn(event, "response");
    if (text === undefined) throw malformed(name, "a line without text");
    const logprobs = logprobsOf({ content: event["logprobs"] });
    return {
      text,
      ...(logprobs !== undefined && logprobs.length > 0 && { logprobs }),
      ...(event["done"] === true && ended(name, event)),
    };
  };
}

const REASONS: Readonly<Record<string, FinishReason>> = { stop: "stop", length: "length" };

function ended(name: string, event: JsonObject): Pick<Piece, "finish" | "usage"> {
  const raw = textIn(event, "done_reason") ?? "";
  const reason = REASONS[raw];
  if (reason === undefined) throw malformed(name, `an end of the answer that is no answer ("${raw}")`);
  const [promptTokens, completionTokens] = [countIn(event, "prompt_eval_count"), countIn(event, "eval_count")];
  return {
    finish: { reason, raw },
    usage: {
      ...(promptTokens !== undefined && { promptTokens }),
      ...(completionTokens !== undefined && { completionTokens }),
    },
  };
}
