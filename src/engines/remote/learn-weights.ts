/** What vLLM and SGLang tell of their weights: the vocabulary, and what the chat template writes. */
import { chosenFim } from "../../continuation/fim.ts";
import type { Chat } from "../../continuation/input.ts";
import { speaksChatMl, type Weights } from "../../continuation/lower.ts";
import { THINKING_OFF, THINKING_ON, type Thinking, thinkingIn } from "../../continuation/thinking.ts";
import { THOUGHT_BEGINS, THOUGHT_ENDS } from "../../continuation/thought.ts";
import { ServiceError } from "../../errors.ts";
import { messageOf } from "./chat-body.ts";
import type { RemoteModel } from "./peer.ts";
import { textPrompt } from "./prompt.ts";
import { learnVocabulary, spelledBy, tokenIds } from "./tokenize-route.ts";
import type { Upstream } from "./transport.ts";
import { isMissingRoute } from "./upstream-error.ts";
import { spellingsToTry, type Vocabulary } from "./vocabulary.ts";

export interface LearnedWeights {
  readonly weights: Weights;
  /** Absent: the engine turns no text into tokens for us. */
  readonly vocabulary?: Vocabulary;
  /**
   * The vocabulary has ChatML, and the template writes it as we do. Absent: there is no template, or the engine does not
   * show what it writes.
   */
  readonly writesChatMl?: boolean;
}

const QUESTION = [{ role: "user", content: "a" }];

/** It begins with a system message, as many templates of ChatML invent one where there is none, and we do not. */
const SAMPLE: Chat = {
  kind: "chat",
  messages: (["system", "user", "assistant", "user"] as const).map((role, index) => ({
    role,
    content: [{ text: `${role} ${index}` }],
  })),
};

export async function learnWeights(
  upstream: Upstream,
  id: string,
  about: RemoteModel,
  signal: AbortSignal,
): Promise<LearnedWeights> {
  const { vocabulary, bos } = (await learnVocabulary(upstream, id, spellingsToTry(about.fimLayouts), signal)) ?? {};
  const controls = new Set(vocabulary?.controls.keys());
  const fim = chosenFim(about, controls);
  const weights: Weights = {
    id,
    controls,
    healing: false,
    templateTokens: { bos: bos ?? "", eos: "" },
    ...(fim !== undefined && { fim }),
    ...(bos !== undefined && { bos }),
  };
  if (vocabulary === undefined) return { weights };
  const { thinking, writesChatMl } = (await learnTemplate(upstream, weights, signal)) ?? {};
  return {
    weights: thinking === undefined ? weights : { ...weights, thinking },
    vocabulary,
    ...(writesChatMl !== undefined && { writesChatMl }),
  };
}

interface ShownTemplate {
  /** Absent: it does not show that the weights think. */
  readonly thinking?: Thinking;
  readonly writesChatMl: boolean;
}

/** vLLM's `/tokenize` takes a chat, and so does SGLang's in versions of 2026. */
async function learnTemplate(
  upstream: Upstream,
  weights: Weights,
  signal: AbortSignal,
): Promise<ShownTemplate | undefined> {
  const { id } = weights;
  const rendered = (messages: readonly object[], told: object): Promise<string | undefined> =>
    unlessRefused(async () => {
      const ids = await templateIds(upstream, id, messages, told, signal);
      return spelledBy(upstream, id, ids, signal);
    });
  const off = await rendered(QUESTION, THINKING_OFF);
  const on = off === undefined ? undefined : await rendered(QUESTION, THINKING_ON);
  if (off === undefined || on === undefined) return undefined;
  const thinks = off !== on || off.includes(THOUGHT_BEGINS) || off.includes(THOUGHT_ENDS);
  const thinking = thinks ? { thinking: thinkingIn(off, on) } : {};
  if (!speaksChatMl(weights)) return { ...thinking, writesChatMl: false };
  const ours = textPrompt({ input: SAMPLE }, { weights: { ...weights, ...thinking } }).text;
  return { ...thinking, writesChatMl: (await rendered(SAMPLE.messages.map(messageOf), THINKING_OFF)) === ours };
}

/** The tokens of a dialogue as the template writes it, up to the answer. */
export async function templateIds(
  upstream: Upstream,
  model: string,
  messages: readonly object[],
  told: object,
  signal: AbortSignal,
): Promise<readonly number[]> {
  const body = { model, messages, add_generation_prompt: true, add_special_tokens: false, chat_template_kwargs: told };
  return tokenIds(upstream, body, signal);
}

/** Undefined: the engine does not want what was asked, and is well. */
async function unlessRefused<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (isMissingRoute(error) || (error instanceof ServiceError && error.status === 400)) return undefined;
    throw error;
  }
}
