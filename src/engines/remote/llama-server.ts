import { chosenFim } from "../../continuation/fim.ts";
import { canChat, type Weights } from "../../continuation/lower.ts";
import type { FinishReason, TokenLogprob } from "../../continuation/output.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";
import { gbnfOf } from "../../continuation/shape.ts";
import { countIn, idsIn, isObject, type JsonObject, listIn, objectIn, textIn } from "./json.ts";
import { eventOf, PROBE_MS } from "./openai-wire.ts";
import type { Adapter, Asked, Peer, Piece, PieceReader, RemoteModel } from "./peer.ts";
import { tokenPrompt } from "./prompt.ts";
import type { Upstream } from "./transport.ts";
import { malformed } from "./upstream-error.ts";
import { endsOf, learnControls, spellingsToTry, type Tokenize, Vocabulary } from "./vocabulary.ts";
import { cannot, refuseShapeBehindPrefix, type Spellings, stopsToPass, wishesOf } from "./wishes.ts";

/**
 * llama.cpp's own server. All goes to `/completion` as token ids: its chat route sends an assistant prefix back as if it
 * were new (seen with build 11434), its `/v1/completions` drops `suffix` without a word, and neither tells ids.
 */
export const llamaServer: Adapter = { kind: "llama-server", probe, identify, lower, reader };

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

/** Most stop strings that are passed on; all are watched for here too. */
const MOST_STOPS = 64;
/** More than any context has. */
const MANY_TOKENS = 2 ** 30;
/** The server takes seeds of 32 bits, and the largest of them for "none". */
const SEEDS = 2 ** 32 - 1;

async function probe(upstream: Upstream, about: RemoteModel, signal: AbortSignal): Promise<Peer> {
  const props = await propsOf(upstream, about, signal);
  const { model, vocabularySize } = await modelOf(upstream, about, signal);
  const tokenize = tokenizeOver(upstream, about);
  const [bosText, eos, template] = [
    textIn(props, "bos_token"),
    textIn(props, "eos_token"),
    textIn(props, "chat_template"),
  ];
  const spellings = spellingsToTry(
    about.fimLayouts,
    template,
    [bosText, eos].filter((each) => each !== ""),
  );
  const vocabulary = new Vocabulary(tokenize, await learnControls(tokenize, spellings, signal));
  const controls = new Set(vocabulary.controls.keys());
  const fim = chosenFim(about, controls);
  const bos = await bosOf(upstream, about, bosText, signal);
  const weights: Weights = {
    id: model,
    controls,
    healing: false,
    templateTokens: { bos: bosText ?? "", eos: eos ?? "" },
    ...(fim !== undefined && { fim }),
    ...(bos !== undefined && { bos }),
    ...(template !== undefined && template !== "" && { chatTemplate: template }),
  };
  const contextTokens = about.contextTokens ?? countIn(objectIn(props, "default_generation_settings") ?? {}, "n_ctx");
  const slots = countIn(props, "total_slots");
  const chat = canChat(weights);
  return {
    model,
    program: programOf(props),
    identity: identityOf(props),
    weights,
    vocabulary,
    chat,
    chatPrefix: chat,
    ...(chat && { prefixSpelling: "rendered" }),
    ...(contextTokens !== undefined && contextTokens > 0 && { contextTokens }),
    ...(vocabularySize !== undefined && { vocabularySize }),
    ...(slots !== undefined && { slots }),
  };
}

async function identify(upstream: Upstream, about: RemoteModel, signal: AbortSignal): Promise<string> {
  return identityOf(await propsOf(upstream, about, signal));
}

async function propsOf(upstream: Upstream, { model }: RemoteModel, signal: AbortSignal): Promise<JsonObject> {
  const query = model === undefined ? "" : `?model=${encodeURIComponent(model)}`;
  const props = await upstream.json("GET", `${upstream.address.root}/props${query}`, PROBE_MS, signal);
  if (!isObject(props) || objectIn(props, "default_generation_settings") === undefined)
    throw malformed(upstream.name, "something at /props that is not llama-server's; check the kind and the address");
  return props;
}

/** A template or a context of another size makes another engine of the same file. */
function identityOf(props: JsonObject): string {
  const { model_path, build_info, chat_template, total_slots, media_marker } = props;
  const context = countIn(objectIn(props, "default_generation_settings") ?? {}, "n_ctx");
  // The marker is drawn anew by every process.
  return JSON.stringify([model_path, build_info, chat_template, total_slots, context, media_marker]);
}

function programOf(props: JsonObject): string {
  const build = textIn(props, "build_info");
  return build === undefined ? "llama-server" : `llama-server ${build}`;
}

async function modelOf(
  upstream: Upstream,
  about: RemoteModel,
  signal: AbortSignal,
): Promise<{ readonly model: string; readonly vocabularySize?: number }> {
  const list = await upstream.json("GET", `${upstream.address.root}/v1/models`, PROBE_MS, signal);
  const models = (isObject(list) ? listIn(list, "data") : undefined)?.filter(isObject) ?? [];
  const found = models.find((each) => each["id"] === about.model) ?? models[0];
  const vocabularySize = found === undefined ? undefined : countIn(objectIn(found, "meta") ?? {}, "n_vocab");
  return {
    model: about.model ?? (found === undefined ? undefined : textIn(found, "id")) ?? "unnamed",
    ...(vocabularySize !== undefined && vocabularySize > 0 && { vocabularySize }),
  };
}

function tokenizeOver(upstream: Upstream, { model }: RemoteModel): Tokenize {
  const ids = async (content: string, isControl: boolean, signal: AbortSignal): Promise<readonly number[]> => {
    const body = { content, add_special: false, parse_special: isControl, ...(model !== undefined && { model }) };
    return tokenIds(upstream, body, signal);
  };
  return {
    text: (text, signal) => ids(text, false, signal),
    control: async (spelling, signal) => {
      const [id, ...more] = await ids(spelling, true, signal);
      if (id === undefined || more.length > 0) return undefined;
      const asText = await ids(spelling, false, signal);
      return asText.length === 1 && asText[0] === id ? undefined : id;
    },
    spelled: async (tokens, signal) => {
      const body = { tokens, ...(model !== undefined && { model }) };
      const answer = await upstream.json("POST", `${upstream.address.root}/detokenize`, PROBE_MS, signal, body);
      const content = isObject(answer) ? answer["content"] : undefined;
      if (typeof content !== "string") throw malformed(upstream.name, "no content at /detokenize");
      return content;
    },
  };
}

async function tokenIds(upstream: Upstream, body: unknown, signal: AbortSignal): Promise<readonly number[]> {
  const answer = await upstream.json("POST", `${upstream.address.root}/tokenize`, PROBE_MS, signal, body);
  const tokens = isObject(answer) ? idsIn(answer, "tokens") : undefined;
  if (tokens === undefined) throw malformed(upstream.name, "no token ids at /tokenize");
  return tokens;
}

/** What the server itself would put before a text. */
async function bosOf(
  upstream: Upstream,
  { model }: RemoteModel,
  bos: string | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (bos === undefined || bos === "") return undefined;
  const named = model === undefined ? {} : { model };
  const [id] = await tokenIds(upstream, { ...named, content: bos, add_special: false, parse_special: true }, signal);
  const [first, ...more] = await tokenIds(upstream, { ...named, content: "a", add_special: true }, signal);
  return first === id && more.length > 0 ? bos : undefined;
}

async function lower(
  request: ContinuationRequest,
  peer: Peer,
  about: RemoteModel,
  { address }: Upstream,
  signal: AbortSignal,
): Promise<Asked> {
  const { limits, shape, logprobs } = request;
  if ((limits.minTokens ?? 0) > 0) throw cannot("minimum number of tokens", "min_tokens");
  refuseShapeBehindPrefix(request);
  const { vocabulary } = peer;
  if (vocabulary === undefined) throw new Error("a llama-server is known only with its vocabulary");
  const { tokens, ...prompt } = await tokenPrompt(request, peer, vocabulary, signal);
  const ends = endsOf(vocabulary, peer.weights.fim, peer.weights.templateTokens.eos);
  const { fields, logitBias, ignored } = wishesOf(request, SPELLINGS);
  const { seed, repeat_penalty: penalty, ...sampling } = fields;
  const banned = limits.ignoreEnds === true ? [...ends].map((id) => [id, false] as const) : [];
  const bias = [...(logitBias ?? []), ...banned];
  const body = {
    ...(about.model !== undefined && { model: about.model }),
    prompt: tokens,
    stream: true,
    return_tokens: true,
    cache_prompt: true,
    ...(limits.maxTokens !== undefined && { n_predict: limits.maxTokens }),
    ...sampling,
    ...(seed !== undefined && { seed: ((seed % SEEDS) + SEEDS) % SEEDS }),
    // Ours looks at all tokens; the server's default is the last 64, and its word for all is not taken by every version.
    ...(penalty !== undefined && { repeat_penalty: penalty, repeat_last_n: peer.contextTokens ?? MANY_TOKENS }),
    ...(bias.length > 0 && { logit_bias: bias }),
    ...(limits.ignoreEnds === true && { ignore_eos: true }),
    ...(limits.stopStrings.length > 0 && { stop: stopsToPass(limits.stopStrings, MOST_STOPS) }),
    ...(shape !== undefined && { grammar: gbnfOf(shape) }),
    ...(logprobs !== undefined && { n_probs: Math.max(1, logprobs) }),
  };
  return { path: `${address.root}/completion`, body, ...prompt, countOffset: 0, ends, ignored };
}

function reader(upstream: Upstream, { vocabulary }: Peer): PieceReader {
  const spelling = (id: number): string | undefined => vocabulary?.spelling(id);
  /** Tokens without text, of which the last may be the end token: what follows tells. */
  let held: Pick<Piece, "tokens" | "logprobs"> = {};
  return (data) => {
    const event = eventOf(upstream.name, data);
    const text = textIn(event, "content") ?? "";
    const scores = (listIn(event, "completion_probabilities") ?? []).filter(isObject);
    const said = idsIn(event, "tokens");
    const tokens = said === undefined ? undefined : [...(held.tokens ?? []), ...said];
    const logprobs = [...(held.logprobs ?? []), ...scores.map((each) => logprobOf(each, spelling))];
    held = {};
    if (event["stop"] === true)
      return last(upstream, event, { text, ...(tokens !== undefined && { tokens }), logprobs });
    if (tokens !== undefined && text === "") {
      held = { tokens, logprobs };
      return {};
    }
    const tokensSoFar = countIn(event, "tokens_predicted");
    const known = tokens === undefined ? {} : { tokens, ...(tokensSoFar !== undefined && { tokensSoFar }) };
    return { text, ...known, logprobs };
  };
}

const REASONS: Readonly<Record<string, FinishReason>> = { eos: "stop", word: "stop", limit: "length" };

function last({ name }: Upstream, event: JsonObject, { tokens, ...piece }: Piece): Piece {
  const raw = textIn(event, "stop_type") ?? "";
  const reason = REASONS[raw];
  if (reason === undefined) throw malformed(name, `an end of the answer that nobody knows ("${raw}")`);
  const cachedPromptTokens = countIn(objectIn(event, "timings") ?? {}, "cache_n");
  const [promptTokens, generated] = [countIn(event, "tokens_evaluated"), countIn(event, "tokens_predicted")];
  // The end token is among them.
  const completionTokens = generated === undefined || raw !== "eos" ? generated : Math.max(0, generated - 1);
  return {
    ...piece,
    ...(tokens !== undefined && { tokens: raw === "eos" ? tokens.slice(0, -1) : tokens }),
    ...(completionTokens !== undefined && { tokensSoFar: completionTokens }),
    finish: { reason, raw },
    usage: {
      ...(promptTokens !== undefined && { promptTokens }),
      ...(completionTokens !== undefined && { completionTokens }),
      ...(cachedPromptTokens !== undefined && { cachedPromptTokens }),
    },
  };
}

function logprobOf(entry: JsonObject, spelling: (id: number) => string | undefined): TokenLogprob {
  const plain = (each: JsonObject): Omit<TokenLogprob, "top"> => {
    const bytes = idsIn(each, "bytes") ?? [];
    const control = bytes.length === 0 ? spelling(countIn(each, "id") ?? -1) : undefined;
    const value = each["logprob"];
    return {
      bytes,
      logprob: typeof value === "number" ? value : Number.NEGATIVE_INFINITY,
      ...(control !== undefined && { control }),
    };
  };
  return { ...plain(entry), top: (listIn(entry, "top_logprobs") ?? []).filter(isObject).map(plain) };
}
