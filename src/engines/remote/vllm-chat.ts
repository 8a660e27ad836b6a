/**
 * Chats on vLLM whose tokens have to be known beforehand and that are no ChatML: only it has their template, and it tokenizes
 * what that writes.
 */
import type { Chat } from "../../continuation/input.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";
import { THINKING_OFF, type Thinking } from "../../continuation/thinking.ts";
import { THOUGHT_BEGINS, type ThoughtAtStart } from "../../continuation/thought.ts";
import { dialogueOf, messageOf, refuseControlsIn } from "./chat-body.ts";
import { templateIds } from "./learn-weights.ts";
import type { Peer } from "./peer.ts";
import { tokenIds } from "./tokenize-route.ts";
import type { Upstream } from "./transport.ts";
import { refuseShapeBehindPrefix } from "./wishes.ts";

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
  { model, weights, vocabulary }: Peer,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<RenderedChat | undefined> {
  const { assistantPrefix = "" } = chat;
  const { thinking } = weights;
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
