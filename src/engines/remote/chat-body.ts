/** Chats as OpenAI's API spells them, and the ways in which others let an answer begin. */
import type { Chat, Message, PromptPart } from "../../continuation/input.ts";
import type { Weights } from "../../continuation/lower.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";
import type { AnswerShape } from "../../continuation/shape.ts";
import type { Peer, PrefixSpelling } from "./peer.ts";
import { refuseControls } from "./prompt.ts";
import { cannot, refuseShapeBehindPrefix } from "./wishes.ts";

/** Of an engine that may have to be told not to think. */
export interface QuietPeer extends Peer {
  /** Fields that go with the beginning of an answer, so that the weights do not think. */
  readonly thinkingOff?: object;
}

export function messageOf({ role, content, toolCalls }: Message): object {
  const text = content.map(spelled).join("");
  if (toolCalls === undefined || toolCalls.length === 0) return { role, content: text };
  const calls = toolCalls.map(({ name, arguments: given }, index) => ({
    id: `call_${index}`,
    type: "function",
    function: { name, arguments: given },
  }));
  return { role, content: text, tool_calls: calls };
}

function spelled(part: PromptPart): string {
  return "text" in part ? part.text : part.control;
}

/** A shape as OpenAI's `response_format`. */
export function formatOf(shape: AnswerShape): object {
  if ("gbnf" in shape) throw cannot("answers that follow a grammar", "grammar");
  return { type: "json_schema", json_schema: { name: "answer", schema: shape.schema } };
}

/** The fields of a chat whose answer begins with `prefix`. */
export function openedBy(
  messages: readonly object[],
  prefix: string,
  spelling: PrefixSpelling,
): Readonly<Record<string, unknown>> {
  const open = { role: "assistant", content: prefix };
  switch (spelling) {
    case "plain":
      return { messages: [...messages, open] };
    case "partial":
    case "prefix":
      return { messages: [...messages, { ...open, [spelling]: true }] };
    case "continue_final_message":
      return { messages: [...messages, open], continue_final_message: true, add_generation_prompt: false };
  }
}

/** The chat of an engine that continues a last message when it is told to. Throws `unsupported_input`. */
export function continuedChat(
  chat: Chat,
  request: ContinuationRequest,
  { weights }: { readonly weights: Weights },
): Readonly<Record<string, unknown>> {
  refuseShapeBehindPrefix(request);
  const { limits, logprobs } = request;
  return {
    ...dialogueOf(chat, weights),
    ...(limits.maxTokens !== undefined && { max_tokens: limits.maxTokens }),
    ...(logprobs !== undefined && { logprobs: true, top_logprobs: logprobs }),
  };
}

/** Its messages, and where they go on. Throws `unsupported_input`. */
export function dialogueOf(
  { messages: given, assistantPrefix = "" }: Chat,
  { controls }: Weights,
): Readonly<Record<string, unknown>> {
  refuseControlsIn(given, assistantPrefix, controls);
  const messages = given.map(messageOf);
  return assistantPrefix === "" ? { messages } : openedBy(messages, assistantPrefix, "continue_final_message");
}

/** For an engine that reads control tokens wherever they are spelt. Throws `unsupported_input`. */
export function refuseControlsIn(
  messages: readonly Message[],
  assistantPrefix: string,
  controls: ReadonlySet<string>,
): void {
  const texts = messages.flatMap(({ content, toolCalls = [] }) => [
    ...content.flatMap((part) => ("text" in part ? part.text : [])),
    ...toolCalls.flatMap(({ name, arguments: given }) => [name, given]),
  ]);
  for (const text of [...texts, assistantPrefix]) refuseControls(text, controls, "chat");
}
