import type { Chat } from "../continuation/input.ts";
import { ServiceError } from "../errors.ts";
import { takesPartial } from "./capabilities.ts";
import { checkChatOptions } from "./chat-options.ts";
import { readMessages } from "./messages.ts";
import { toChat } from "./open-turn.ts";
import { type Fields, invalid } from "./parameters.ts";
import type { Call, Dialect } from "./protocol.ts";

/**
 * Messages and the options that go with them, for both chat wires. Throws what docs/wire.md 2.2, 4.3 and 6.5 say, then
 * refuses what the weights cannot do.
 *
 * @param fields where the wire keeps its options: top level of the body, or `parameters`.
 */
export function readChat(messages: unknown, fields: Fields, dialect: Dialect, { card }: Call): Chat {
  const chat = toChat(readMessages(messages, dialect), fields, dialect);
  const isPartial = chat.assistantPrefix !== undefined;
  checkChatOptions(fields, { card, dialect, isPartial });
  if (isPartial && !takesPartial(card, dialect)) {
    throw invalid("messages", `The model ${card.name} does not support partial mode.`);
  }
  const { id, model } = card.answeredBy;
  if (model !== undefined && !model.chat) {
    throw new ServiceError(
      "unsupported_input",
      `The model ${card.name} is answered by "${id}", which has no chat template, so messages cannot be rendered; use the completions route or choose another model.`,
      { param: "messages", model: card.name },
    );
  }
  return chat;
}

/** Neither `messages` nor, where the wire has it, `prompt`. */
export function missingInput(): Error {
  return invalid("messages", 'Either "prompt" or "messages" must exist and cannot both be none');
}
