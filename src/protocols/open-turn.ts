import type { Chat } from "../continuation/input.ts";
import { toDomain, type WireMessage, WRONG_ROLE } from "./messages.ts";
import { type Fields, invalid, readBoolean } from "./parameters.ts";
import type { Dialect } from "./protocol.ts";

/**
 * Decides whether the last message is an open assistant turn (docs/wire.md 4.3; OpenAI dialect: 1.2a).
 *
 * @param messages at least one. @param fields top level of the body, where vLLM's `continue_final_message` stands.
 */
export function toChat(messages: readonly WireMessage[], fields: Fields, dialect: Dialect): Chat {
  const last = messages.at(-1);
  if (last === undefined) throw new RangeError("there is no message");
  const isOpen = dialect === "openai" ? isOpenInOpenAi(last, fields) : isOpenInDashScope(last);
  if (!isOpen) return { kind: "chat", messages: messages.map(toDomain) };
  if (last.toolCalls.length > 0) throw invalid("messages", "tool_calls are not supported in a partial message.");
  return { kind: "chat", messages: messages.slice(0, -1).map(toDomain), assistantPrefix: last.text };
}

function isOpenInDashScope(last: WireMessage): boolean {
  if (last.role !== "assistant") return refuseWrongLast(last);
  if (last.partial) return true;
  throw invalid(
    "messages",
    `${WRONG_ROLE}. To have the last assistant message continued, set "partial": true in that message.`,
  );
}

/** A trailing assistant message is continued unless one of the three spellings says no. */
function isOpenInOpenAi(last: WireMessage, fields: Fields): boolean {
  const continues = readBoolean(fields, "continue_final_message");
  if (continues && readBoolean(fields, "add_generation_prompt")) {
    throw invalid("continue_final_message", "continue_final_message and add_generation_prompt cannot both be true.");
  }
  if (last.role !== "assistant") {
    if (continues) {
      throw invalid("continue_final_message", "continue_final_message needs a last message with the role assistant.");
    }
    return refuseWrongLast(last);
  }
  const said = [last.partial, last.prefix, continues];
  const no = said.includes(false);
  if (no && said.includes(true)) {
    throw invalid("messages", "partial, prefix and continue_final_message contradict each other in the last message.");
  }
  return !no;
}

/** Always false: such a message is closed. Throws when no answer can follow it. */
function refuseWrongLast(last: WireMessage): false {
  if (last.role === "system" || last.role === "plugin") throw invalid("messages", WRONG_ROLE);
  return false;
}
