import type { Chat } from "../continuation/input.ts";
import { ServiceError } from "../errors.ts";
import { missingInput, readChat } from "./chat-input.ts";
import { fieldsWithoutEffect } from "./ignored.ts";
import { ignoredMessageFields } from "./messages.ts";
import { type Fields, invalid, isObject } from "./parameters.ts";
import type { Call } from "./protocol.ts";

/** `input` of DashScope's own route in its three ages: messages; prompt; prompt with history (docs/wire.md 2.3.1). */
export function readInput(input: Fields, parameters: Fields, call: Call): Chat {
  return readChat(messagesOf(input, call), parameters, "dashscope", call);
}

/** Throws with the codes this wire has for a missing and a malformed `input`. */
export function readInputObject(body: Fields): Fields {
  const input = body["input"] ?? undefined;
  if (input === undefined) {
    throw new ServiceError("missing_parameter", "Required input parameter missing from request.", { param: "input" });
  }
  if (isObject(input)) return input;
  throw new ServiceError("invalid_body", "The input parameter requires json format.", { param: "input" });
}

/** Fields of `input` without effect; with `messages` the older forms have none. */
export function ignoredInputFields(input: Fields): string[] {
  const hasMessages = isGiven(input["messages"]);
  const honoured = new Set(hasMessages ? ["messages"] : ["prompt", "history"]);
  const isEmpty = (value: unknown): boolean => value === "" || (Array.isArray(value) && value.length === 0);
  const names = fieldsWithoutEffect(input, honoured, { prompt: isEmpty, history: isEmpty }, "input.");
  return [...names, ...ignoredMessageFields(input["messages"], "dashscope", "input.messages")];
}

function messagesOf(input: Fields, { card }: Call): unknown {
  if (isGiven(input["messages"])) return input["messages"];
  const prompt = input["prompt"] ?? undefined;
  if (prompt === undefined) throw missingInput();
  if (typeof prompt !== "string") throw invalid("prompt", "input content must be a string.");
  if (prompt === "") throw invalid("prompt", `Range of input length should be [1, ${card.maxInputTokens}]`);
  return [...historyOf(input["history"] ?? []), { role: "user", content: prompt }];
}

function historyOf(history: unknown): readonly Fields[] {
  if (!Array.isArray(history)) throw malformedHistory();
  return history.flatMap((turn: unknown): readonly Fields[] => {
    if (!isObject(turn) || typeof turn["user"] !== "string" || typeof turn["bot"] !== "string") {
      throw malformedHistory();
    }
    return [
      { role: "user", content: turn["user"] },
      { role: "assistant", content: turn["bot"] },
    ];
  });
}

function malformedHistory(): Error {
  return invalid(
    "history",
    'The provided messages input is invalid: history should be an array of objects with "user" and "bot", both strings.',
  );
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}
