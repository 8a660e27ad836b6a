/** Chats on vLLM whose tokens have to be known beforehand: only it has their template, and it tokenizes what that writes. */
import type { Chat } from "../../continuation/input.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";
import { THINKING_OFF, THINKING_ON, type Thinking, thinkingIn } from "../../continuation/thinking.ts";
import { THOUGHT_BEGINS, THOUGHT_ENDS, type ThoughtAtStart } from "../../continuation/thought.ts";
import { ServiceError } from "../../errors.ts";
import { dialogueOf, messageOf, refuseControlsIn } from "./chat-body.ts";
import type { Peer } from "./peer.ts";
import { spelledBy, tokenIds } from "./tokenize-route.ts";
import type { Upstream } from "./transport.ts";
import { isMissingRoute } from "./upstream-error.ts";
import { refuseShapeBehindPrefix } from "./wishes.ts";

export interface VllmPeer extends Peer {
  /** What its chat template says of thinking. Absent: nothing that is known. */
  readonly thinking?: Thinking;
}

/** Undefined: its template does not show that the weights think, or there is none. */
export async function learnThinking(
  upstream: Upstream,
  model: string,
  signal: AbortSignal,
): Promise<Thinking | undefined> {
  const messages = [{ role: "user", content: "a" }];
  const rendered = async (told: object): Promise<string> =>
    spelledBy(upstream, model, await templateIds(upstream, model, messages, told, signal), signal);
  try {
    const [off, on] = [await rendered(THINKING_OFF), await rendered(THINKING_ON)];
    const isKnown = off !== on || off.includes(THOUGHT_BEGINS) || off.includes(THOUGHT_ENDS);
    return isKnown ? thinkingIn(off, on) : undefined;
  } catch (error) {
    if (!isMissingRoute(error) && !isCallers(error)) throw error;
    return undefined; // a model without a chat template
  }
}

interface RenderedChat {
  readonly tokens: readonly number[];
  readonly thought?: ThoughtAtStart;
}

/**
 * The tokens of a chat with weights that think, as the route for chats sorts thoughts out of answers; and of one that goes on
 * behind the ids that wrote its answer, as that route would tokenize the answer's text anew, perhaps otherwise, and the
 * weights would go on differently. Undefined: that route does. Throws `unsupported_input`.
 */
export async function chatIds(
  chat: Chat,
  request: ContinuationRequest,
  { model, weights, vocabulary, thinking }: VllmPeer,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<RenderedChat | undefined> {
  const { assistantPrefix = "" } = chat;
  const { units = 0, tokens: written = [] } = request.answered ?? {};
  const start = assistantPrefix.length - units;
  const goesOn =
    written.length > 0 && (await vocabulary?.spells(written, assistantPrefix.slice(start), signal)) === true;
  if (thinking === undefined && !goesOn) return undefined;
  refuseShapeBehindPrefix(request);
  const before = goesOn ? { ...chat, assistantPrefix: assistantPrefix.slice(0, start) } : chat;
  refuseControlsIn(before.messages, before.assistantPrefix ?? "", weights.controls);
  const rendered =
    thinking === undefined
      ? { tokens: await tokenIds(upstream, { model, ...dialogueOf(before, weights) }, signal) }
      : await renderedChat(upstream, model, before, thinking, request.shape !== undefined, signal);
  return goesOn ? { tokens: [...rendered.tokens, ...written] } : rendered;
}

/** @param hasShape a thought would not fit into it. */
async function renderedChat(
  upstream: Upstream,
  model: string,
  { messages, assistantPrefix: prefix = "" }: Chat,
  thinking: Thinking,
  hasShape: boolean,
  signal: AbortSignal,
): Promise<RenderedChat> {
  const head = await templateIds(upstream, model, messages.map(messageOf), THINKING_OFF, signal);
  if (prefix === "" && !hasShape) return { tokens: head, thought: thinking.isOpen ? "open" : "possible" };
  const text = behindHead(prefix, thinking);
  if (text === "") return { tokens: head };
  return {
    tokens: [...head, ...(await tokenIds(upstream, { model, prompt: text, add_special_tokens: false }, signal))],
  };
}

/** What the template has written cannot be taken off its tokens again, so a mark that is there is not written twice. */
function behindHead(prefix: string, { opening, closed }: Thinking): string {
  if (!prefix.startsWith(THOUGHT_BEGINS)) return closed.slice(opening.length) + prefix;
  return prefix.startsWith(opening) ? prefix.slice(opening.length) : prefix;
}

async function templateIds(
  upstream: Upstream,
  model: string,
  messages: readonly object[],
  told: object,
  signal: AbortSignal,
): Promise<readonly number[]> {
  const body = { model, messages, add_generation_prompt: true, add_special_tokens: false, chat_template_kwargs: told };
  return tokenIds(upstream, body, signal);
}

/** It does not want what was asked, and is well. */
function isCallers(error: unknown): boolean {
  return error instanceof ServiceError && error.status === 400;
}
