/** Chats with weights that think, on vLLM: only it has their template, and only the route for texts never sorts thoughts out. */
import type { Chat } from "../../continuation/input.ts";
import { THINKING_OFF, THINKING_ON, type Thinking, thinkingIn } from "../../continuation/thinking.ts";
import { THOUGHT_BEGINS, THOUGHT_ENDS, type ThoughtAtStart } from "../../continuation/thought.ts";
import { ServiceError } from "../../errors.ts";
import { messageOf } from "./chat-body.ts";
import { idsIn, isObject, textIn } from "./json.ts";
import { PROBE_MS } from "./openai-wire.ts";
import type { Upstream } from "./transport.ts";
import { isMissingRoute, malformed } from "./upstream-error.ts";

/** Undefined: its template does not show that the weights think, or there is none. */
export async function learnThinking(
  upstream: Upstream,
  model: string,
  signal: AbortSignal,
): Promise<Thinking | undefined> {
  const messages = [{ role: "user", content: "a" }];
  const rendered = async (told: object): Promise<string> => {
    const tokens = await templateIds(upstream, model, messages, told, signal);
    const answer = await upstream.json("POST", `${upstream.address.root}/detokenize`, PROBE_MS, signal, {
      model,
      tokens,
    });
    const text = isObject(answer) ? textIn(answer, "prompt") : undefined;
    if (text === undefined) throw malformed(upstream.name, "no text at /detokenize");
    return text;
  };
  try {
    const [off, on] = [await rendered(THINKING_OFF), await rendered(THINKING_ON)];
    const isKnown = off !== on || off.includes(THOUGHT_BEGINS) || off.includes(THOUGHT_ENDS);
    return isKnown ? thinkingIn(off, on) : undefined;
  } catch (error) {
    if (!isMissingRoute(error) && !isCallers(error)) throw error;
    return undefined; // a model without a chat template
  }
}

export interface RenderedChat {
  readonly tokens: readonly number[];
  readonly thought?: ThoughtAtStart;
}

/** @param hasShape a thought would not fit into it. */
export async function renderedChat(
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
    tokens: [...head, ...(await askedIds(upstream, { model, prompt: text, add_special_tokens: false }, signal))],
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
  return askedIds(upstream, body, signal);
}

async function askedIds(upstream: Upstream, body: object, signal: AbortSignal): Promise<readonly number[]> {
  const answer = await upstream.json("POST", `${upstream.address.root}/tokenize`, PROBE_MS, signal, body);
  const tokens = isObject(answer) ? idsIn(answer, "tokens") : undefined;
  if (tokens === undefined) throw malformed(upstream.name, "no token ids at /tokenize");
  return tokens;
}

/** It does not want what was asked, and is well. */
function isCallers(error: unknown): boolean {
  return error instanceof ServiceError && error.status === 400;
}
