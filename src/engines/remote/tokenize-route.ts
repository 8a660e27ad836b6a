/** The tokenizer of weights elsewhere, behind `/tokenize` and `/detokenize` as vLLM and SGLang have them. */
import type { ContinuationRequest } from "../../continuation/request.ts";
import { refuseControlsIn } from "./chat-body.ts";
import { idsIn, isObject, textIn } from "./json.ts";
import { PROBE_MS } from "./openai-wire.ts";
import type { Peer } from "./peer.ts";
import { refuseControls, type TokenPrompt, tokenPrompt } from "./prompt.ts";
import type { Upstream } from "./transport.ts";
import { isMissingRoute, malformed } from "./upstream-error.ts";
import { learnControls, type Tokenize, Vocabulary } from "./vocabulary.ts";
import { refuseShapeBehindPrefix } from "./wishes.ts";

export interface LearnedVocabulary {
  readonly vocabulary: Vocabulary;
  /** What the tokenizer puts before a text. */
  readonly bos?: string;
}

/** Which of the spellings are control tokens there. Undefined: it turns no text into tokens for us. */
export async function learnVocabulary(
  upstream: Upstream,
  model: string,
  spellings: Iterable<string>,
  signal: AbortSignal,
): Promise<LearnedVocabulary | undefined> {
  const controls = new Map<string, number>();
  const tokenize = tokenizeOver(upstream, model, controls);
  if (!(await hasTokenizer(tokenize, signal))) return undefined;
  for (const [spelling, id] of await learnControls(tokenize, spellings, signal)) controls.set(spelling, id);
  const bos = await learnBos(upstream, model, controls, signal);
  return { vocabulary: new Vocabulary(tokenize, controls), ...(bos !== undefined && { bos }) };
}

/** It reads control tokens wherever they are spelt, so a text that spells one has to be refused before. */
function tokenizeOver(upstream: Upstream, model: string, controls: ReadonlyMap<string, number>): Tokenize {
  return {
    text: (text, signal) => {
      refuseControls(text, new Set(controls.keys()), "text");
      return tokenIds(upstream, { model, prompt: text, add_special_tokens: false }, signal);
    },
    control: async (spelling, signal) => {
      const [id, ...more] = await tokenIds(upstream, { model, prompt: spelling, add_special_tokens: false }, signal);
      return more.length > 0 ? undefined : id;
    },
    spelled: (ids, signal) => spelledBy(upstream, model, ids, signal),
  };
}

/** @param body the fields of `/tokenize`: a text, and with vLLM a chat. */
export async function tokenIds(upstream: Upstream, body: object, signal: AbortSignal): Promise<readonly number[]> {
  const answer = await upstream.json("POST", `${upstream.address.root}/tokenize`, PROBE_MS, signal, body);
  const tokens = isObject(answer) ? idsIn(answer, "tokens") : undefined;
  if (tokens === undefined) throw malformed(upstream.name, "no token ids at /tokenize");
  return tokens;
}

/**
 * The prompt as ids. Throws `unsupported_input` where what a caller wrote in a chat spells a control token, and as
 * `tokenPrompt` does.
 */
export async function promptIds(
  request: ContinuationRequest,
  peer: Peer,
  vocabulary: Vocabulary,
  signal: AbortSignal,
): Promise<TokenPrompt> {
  const { input, answered } = request;
  refuseShapeBehindPrefix(request);
  if (input.kind === "chat") {
    const { messages, assistantPrefix = "" } = input;
    const given = assistantPrefix.slice(0, assistantPrefix.length - (answered?.units ?? 0));
    refuseControlsIn(messages, given, peer.weights.controls);
  }
  return tokenPrompt(request, peer, vocabulary, signal);
}

/** What ids spell, control tokens included. */
export async function spelledBy(
  upstream: Upstream,
  model: string,
  tokens: readonly number[],
  signal: AbortSignal,
): Promise<string> {
  const question = { model, tokens, skip_special_tokens: false };
  const answer = await upstream.json("POST", `${upstream.address.root}/detokenize`, PROBE_MS, signal, question);
  const text = isObject(answer) ? (textIn(answer, "prompt") ?? textIn(answer, "text")) : undefined;
  if (text === undefined) throw malformed(upstream.name, "no text at /detokenize");
  return text;
}

/** It can be switched off, and older versions lack it. */
async function hasTokenizer(tokenize: Tokenize, signal: AbortSignal): Promise<boolean> {
  try {
    await tokenize.text("a", signal);
    return true;
  } catch (error) {
    if (isMissingRoute(error)) return false;
    throw error;
  }
}

/** What its tokenizer puts before a text; the spelling is that of the engine. */
async function learnBos(
  upstream: Upstream,
  model: string,
  controls: Map<string, number>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const [first, ...more] = await tokenIds(upstream, { model, prompt: "a", add_special_tokens: true }, signal);
  const [bare] = await tokenIds(upstream, { model, prompt: "a", add_special_tokens: false }, signal);
  if (first === undefined || first === bare || more[0] !== bare) return undefined;
  const spelling = await spelledBy(upstream, model, [first], signal);
  if (spelling === "") return undefined;
  controls.set(spelling, first);
  return spelling;
}
