/** OpenAI's streams as others write them: what their events say, and what is no event of theirs. */
import type { FinishReason, TokenLogprob } from "../../continuation/output.ts";
import { countIn, isObject, type JsonObject, listIn, objectIn, parsed, textIn } from "./json.ts";
import type { PeerUsage, Piece, RemoteModel } from "./peer.ts";
import type { Upstream } from "./transport.ts";
import { malformed, refusedLate } from "./upstream-error.ts";

/** Milliseconds for one question that needs no generation. */
export const PROBE_MS = 10_000;

/** Ends a stream. */
export const DONE = "[DONE]";

/** An event as JSON. Throws what an error within a stream says, and `internal` for what is no JSON object. */
export function eventOf(engine: string, data: string): JsonObject {
  const event = parsed(data)?.value;
  if (!isObject(event)) throw malformed(engine, "an event that is no JSON");
  const error = event["error"];
  if (error !== undefined && error !== null) throw refusedLate(engine, event);
  if (event["object"] === "error") throw refusedLate(engine, { error: event });
  return event;
}

/** Words for the end of an answer, beside OpenAI's own those of engines that we have read about. */
const REASONS: Readonly<Record<string, FinishReason>> = {
  stop: "stop",
  eos: "stop",
  eos_token: "stop",
  end_turn: "stop",
  stop_sequence: "stop",
  tool_calls: "stop",
  function_call: "stop",
  length: "length",
  max_tokens: "length",
  model_length: "length",
  content_filter: "content_filter",
  sensitive: "content_filter",
};

/** One choice of one event, before anybody has looked at what its engine adds. */
export interface ChoiceEvent {
  readonly choice: JsonObject;
  readonly piece: Piece;
}

/**
 * What an event of a completion or a chat says of the one choice that was asked for. Absent `choice`: nothing, as in an
 * event with the usage alone.
 */
export function choiceEvent(engine: string, data: string): Partial<ChoiceEvent> & { readonly piece: Piece } {
  if (data.trim() === DONE) return { piece: {} };
  const event = eventOf(engine, data);
  const choices = listIn(event, "choices");
  const choice = choices?.[0];
  // Moonshot tells it within the last choice.
  const usage = usageOf(event["usage"]) ?? (isObject(choice) ? usageOf(choice["usage"]) : undefined);
  if (choices === undefined && usage === undefined) throw malformed(engine, "an event without choices");
  if (!isObject(choice)) return { piece: { ...(usage !== undefined && { usage }) } };
  const text = textIn(choice, "text") ?? contentOf(objectIn(choice, "delta") ?? {});
  const finish = finishOf(engine, choice["finish_reason"]);
  const logprobs = logprobsOf(choice["logprobs"]);
  const piece: Piece = {
    ...(text !== undefined && { text }),
    ...(finish !== undefined && { finish }),
    ...(usage !== undefined && { usage }),
    ...(logprobs !== undefined && { logprobs }),
  };
  return { choice, piece };
}

/** Mistral's thinking models send lists, in which a thought is no text. */
function contentOf(delta: JsonObject): string | undefined {
  const parts = listIn(delta, "content")?.filter(isObject);
  if (parts === undefined) return textIn(delta, "content");
  return parts.map((part) => (part["type"] === "text" ? (textIn(part, "text") ?? "") : "")).join("");
}

/** Empty is what some engines say while there is no reason yet. */
export function finishOf(engine: string, raw: unknown): Piece["finish"] {
  if (raw === undefined || raw === null || raw === "") return undefined;
  const reason = typeof raw === "string" && Object.hasOwn(REASONS, raw) ? REASONS[raw] : undefined;
  if (reason === undefined) throw malformed(engine, `an end of the answer that is no answer (${JSON.stringify(raw)})`);
  return { reason, raw: String(raw) };
}

function usageOf(usage: unknown): PeerUsage | undefined {
  if (!isObject(usage)) return undefined;
  const promptTokens = countIn(usage, "prompt_tokens");
  const completionTokens = countIn(usage, "completion_tokens");
  const cachedPromptTokens =
    countIn(objectIn(usage, "prompt_tokens_details") ?? {}, "cached_tokens") ??
    countIn(usage, "prompt_cache_hit_tokens") ?? // DeepSeek
    countIn(usage, "cached_tokens"); // Moonshot
  return {
    ...(promptTokens !== undefined && { promptTokens }),
    ...(completionTokens !== undefined && { completionTokens }),
    ...(cachedPromptTokens !== undefined && { cachedPromptTokens }),
  };
}

/** Of a chat (`content`) or of a completion (lists side by side). Tokens that are no whole text come as bytes, or are lost. */
export function logprobsOf(value: unknown): readonly TokenLogprob[] | undefined {
  if (!isObject(value)) return undefined;
  const content = listIn(value, "content");
  if (content !== undefined)
    return content.filter(isObject).map((each) => ({ ...chatLogprob(each), top: topOf(each) }));
  const tokens = listIn(value, "tokens") ?? [];
  const scores = listIn(value, "token_logprobs") ?? [];
  const top = listIn(value, "top_logprobs") ?? [];
  return tokens.map((token, index) => {
    const alternatives = top[index];
    return {
      ...legacyLogprob(String(token), scores[index]),
      top: Object.entries(isObject(alternatives) ? alternatives : {})
        .map(([each, score]) => legacyLogprob(each, score))
        .sort((a, b) => b.logprob - a.logprob),
    };
  });
}

function topOf(entry: JsonObject): readonly Omit<TokenLogprob, "top">[] {
  return (listIn(entry, "top_logprobs") ?? []).filter(isObject).map(chatLogprob);
}

function chatLogprob(entry: JsonObject): Omit<TokenLogprob, "top"> {
  const bytes = listIn(entry, "bytes");
  const token = textIn(entry, "token") ?? "";
  return {
    bytes: bytes?.every((byte) => typeof byte === "number") === true ? (bytes as number[]) : [...Buffer.from(token)],
    logprob: numeric(entry["logprob"]),
  };
}

function legacyLogprob(token: string, score: unknown): Omit<TokenLogprob, "top"> {
  return { bytes: [...Buffer.from(token)], logprob: numeric(score) };
}

/** The smallest that JSON can say, for what was too small to be said. */
function numeric(value: unknown): number {
  return typeof value === "number" ? value : -Number.MAX_VALUE;
}

export interface ListedModel {
  readonly id: string;
  readonly entry: JsonObject;
}

/** Models that the engine lists, in its order; undefined: it has no list. Throws when nobody answers, or no key of ours is good. */
export async function listedModels(
  upstream: Upstream,
  signal: AbortSignal,
  path = `${upstream.address.api}/models`,
): Promise<readonly ListedModel[] | undefined> {
  const list = await upstream.json("GET", path, PROBE_MS, signal);
  const data = isObject(list) ? listIn(list, "data") : undefined;
  return data?.filter(isObject).flatMap((entry) => {
    const id = textIn(entry, "id");
    return id === undefined ? [] : [{ id, entry }];
  });
}

/** The one that is meant: by its name, or the first. Throws `model_unavailable` when there is no telling. */
export function meantModel(
  upstream: Upstream,
  { model }: RemoteModel,
  listed: readonly ListedModel[] | undefined,
): ListedModel {
  if (model !== undefined) return listed?.find(({ id }) => id === model) ?? { id: model, entry: {} };
  const [first] = listed ?? [];
  if (first !== undefined) return first;
  throw malformed(upstream.name, "no list of models; say which one is meant with `model:` in the configuration");
}
