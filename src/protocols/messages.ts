import type { Message, ToolCall } from "../continuation/input.ts";
import { type Fields, invalid, isObject, readBoolean } from "./parameters.ts";
import { contentParts } from "./prompt-parts.ts";
import type { Dialect } from "./protocol.ts";

/** Messages as the wires spell them (docs/wire.md 2.2.2, 6.5). Which one is open is decided in `open-turn.ts`. */

type WireRole = "system" | "user" | "assistant" | "tool" | "function" | "plugin";

export interface WireMessage {
  readonly role: WireRole;
  /** Joined text of the content, byte for byte. */
  readonly text: string;
  readonly toolCalls: readonly ToolCall[];
  /** DashScope's flag; absent: not said. */
  readonly partial: boolean | undefined;
  /** DeepSeek's and Mistral's flag; read in the OpenAI dialect only. */
  readonly prefix: boolean | undefined;
}

/** The documented message for an unknown role and for a last message of the wrong role. */
export const WRONG_ROLE =
  'Role must be in ["user","assistant","system","function","plugin","tool"] and the role in last message must be in ["user","function","tool"]';

/** What DashScope has no field for goes by the closest role the domain knows: these are all answers of a tool. */
const DOMAIN_ROLES: Readonly<Record<WireRole, Message["role"]>> = {
  system: "system",
  user: "user",
  assistant: "assistant",
  tool: "tool",
  function: "tool",
  plugin: "tool",
};

const MESSAGE_FIELDS = new Set(["role", "content", "tool_calls", "tool_call_id", "function_call"]);

/** Throws `invalid_parameter` for whatever is no list of well-formed messages. At least one message comes back. */
export function readMessages(value: unknown, dialect: Dialect): readonly WireMessage[] {
  if (!Array.isArray(value)) throw malformed("it should be an array of messages");
  if (value.length === 0) throw invalid("messages", "[] is too short");
  const messages = value.map((entry: unknown, index) => readMessage(entry, index, dialect));
  checkToolMessages(messages);
  return messages;
}

export function toDomain(message: WireMessage): Message {
  return {
    role: DOMAIN_ROLES[message.role],
    content: contentParts(message.text),
    ...(message.toolCalls.length > 0 ? { toolCalls: message.toolCalls } : {}),
  };
}

/** Fields of messages without effect, as `messages.0.name`. @param value the wire's list, already read. */
export function ignoredMessageFields(value: unknown, dialect: Dialect, at: string): string[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((entry: unknown, index) => {
    if (!isObject(entry)) return [];
    const flags = dialect === "openai" ? ["partial", "prefix"] : ["partial"];
    // An open turn in the middle of a history is a closed one (docs/wire.md 4.3).
    const isEarlier = index < value.length - 1;
    const names = Object.keys(entry).filter((name) =>
      flags.includes(name) ? isEarlier && entry[name] === true : !MESSAGE_FIELDS.has(name) && isGiven(entry[name]),
    );
    return names.map((name) => `${at}.${index}.${name}`);
  });
}

function isGiven(value: unknown): boolean {
  return value !== null && value !== undefined && value !== "";
}

function readMessage(entry: unknown, index: number, dialect: Dialect): WireMessage {
  if (!isObject(entry)) throw invalid("messages", "Input should be a valid dictionary or instance of GPT3Message");
  const role = readRole(entry["role"], dialect);
  const toolCalls = role === "assistant" ? readToolCalls(entry, index) : [];
  const message: WireMessage = {
    role,
    text: readContent(entry["content"], toolCalls.length > 0),
    toolCalls,
    partial: readBoolean(entry, "partial"),
    prefix: dialect === "openai" ? readBoolean(entry, "prefix") : undefined,
  };
  if (message.role !== "assistant") {
    if (message.partial) throw invalid("messages", "partial is only supported in the last assistant message.");
    if (message.prefix) throw invalid("messages", "prefix is only supported in the last assistant message.");
  }
  return message;
}

function readRole(role: unknown, dialect: Dialect): WireRole {
  if (isWireRole(role)) return role;
  if (dialect === "openai" && role === "developer") return "system";
  throw invalid("messages", WRONG_ROLE);
}

function isWireRole(role: unknown): role is WireRole {
  return typeof role === "string" && Object.hasOwn(DOMAIN_ROLES, role);
}

function readContent(content: unknown, isOptional: boolean): string {
  if (content === undefined || content === null) {
    if (isOptional) return "";
    throw invalid("messages", "The content field is a required field.");
  }
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) throw invalid("messages", "input content must be a string.");
  return content.map(readTextPart).join("");
}

/** OpenAI's `{"type":"text","text"}`, and DashScope's own `{"text"}`. */
function readTextPart(part: unknown): string {
  const isText = isObject(part) && (part["type"] === "text" || part["type"] === undefined);
  if (!isText || typeof part["text"] !== "string") throw invalid("messages", "input content must be a string.");
  return part["text"];
}

function readToolCalls(entry: Fields, index: number): readonly ToolCall[] {
  const legacy = entry["function_call"] ?? undefined;
  const calls = entry["tool_calls"] ?? (legacy === undefined ? [] : [{ function: legacy }]);
  if (!Array.isArray(calls)) throw malformed(`tool_calls of message ${index} should be an array`);
  return calls.map((call: unknown) => {
    const called = isObject(call) ? call["function"] : undefined;
    const [name, text] = isObject(called) ? [called["name"], called["arguments"]] : [];
    if (typeof name !== "string" || typeof text !== "string") {
      throw malformed(`tool_calls of message ${index} should hold functions with a name and arguments, both strings`);
    }
    return { name, arguments: text };
  });
}

function checkToolMessages(messages: readonly WireMessage[]): void {
  let isExpected = false;
  for (const { role, toolCalls } of messages) {
    if (role === "tool" && !isExpected) {
      throw invalid(
        "messages",
        'Messages with role "tool" must be a response to a preceding message with "tool_calls"',
      );
    }
    if (role !== "tool") isExpected = toolCalls.length > 0;
  }
}

function malformed(what: string): Error {
  return invalid("messages", `The provided messages input is invalid: ${what}.`);
}
