import type { ContinuationRequest } from "../continuation/request.ts";
import { chatRequest } from "../wire/openai/chat.ts";
import { ignoredFormatFields, readAnswerShape } from "./answer-shape.ts";
import { ChatEncoder } from "./chat-encoder.ts";
import { missingInput, readChat } from "./chat-input.ts";
import { HARMLESS_OPTIONS, hasTools } from "./chat-options.ts";
import { readSwitches, SWITCH_FIELDS } from "./engine-switches.ts";
import { openAiFailure } from "./errors.ts";
import { fieldsWithoutEffect } from "./ignored.ts";
import { END_FIELDS, LIMIT_FIELDS, readEnds, readLimits } from "./limits.ts";
import { ignoredMessageFields } from "./messages.ts";
import { type Fields, invalid, range, readBoolean, readInteger } from "./parameters.ts";
import type { Call, Decoded, Dialect, Protocol } from "./protocol.ts";
import { readSampling, SAMPLING_FIELDS } from "./sampling.ts";
import { readDelivery } from "./stream-options.ts";
import { wireName } from "./wire-names.ts";

/** OpenAI chat completion with Partial Mode (docs/wire.md 2.2 and 4, OpenAI dialect: 1.2a). */
export function chatProtocol(dialect: Dialect): Protocol {
  return {
    name: "chat",
    dialect,
    body: chatRequest,
    // Every catalogued name chats (docs/wire.md 5.1); what others can do is known from their weights.
    admit: () => undefined,
    wanted: () => "chat",
    decode: (body, call) => decode(body, call, dialect),
    failure: (error, requestId) => openAiFailure(error, { dialect, requestId, idPrefix: "chatcmpl-" }),
  };
}

const TOKEN_LIMITS = ["max_tokens", "max_completion_tokens"];
const HONOURED = new Set([
  ...["model", "messages", "stream", "stream_options", "n", "response_format"],
  ...TOKEN_LIMITS,
  ...SAMPLING_FIELDS,
  ...LIMIT_FIELDS,
  ...SWITCH_FIELDS,
]);
const HONOURED_BY_OPENAI = new Set([
  ...HONOURED,
  ...END_FIELDS,
  ...["logprobs", "top_logprobs", "continue_final_message", "grammar"],
]);

function decode(body: Fields, call: Call, dialect: Dialect): Decoded {
  const { card } = call;
  const delivery = readDelivery(body);
  const messages = body["messages"] ?? undefined;
  if (messages === undefined) throw missingInput();
  const input = readChat(messages, body, dialect, call);
  const held = readAnswerShape(body, input, dialect);
  const choices = readChoices(body, dialect);
  const logprobs = readLogprobs(body, dialect);
  const limits = readLimits(body, card, TOKEN_LIMITS);
  const request: ContinuationRequest = {
    model: card.name,
    input,
    sampling: readSampling(body, dialect, card.answeredBy.model?.vocabularySize),
    defaults: card.defaults,
    limits: dialect === "openai" ? { ...limits, ...readEnds(body, limits) } : limits,
    choices,
    ...(logprobs === undefined ? {} : { logprobs }),
    promptLogprobs: false,
    ...readSwitches(body),
    ...(held.shape === undefined ? {} : { shape: held.shape }),
  };
  return {
    requests: [request],
    stream: delivery.stream,
    ignored: [...ignoredFields(body, dialect), ...delivery.ignored],
    wireName: (setting) => wireName(setting, held.field),
    encoder: new ChatEncoder({
      dialect,
      requestId: call.requestId,
      createdSeconds: call.createdSeconds,
      model: card.name,
      choices,
      showLogprobs: logprobs !== undefined,
      includeUsage: delivery.includeUsage,
    }),
  };
}

function ignoredFields(body: Fields, dialect: Dialect): string[] {
  const honoured = dialect === "openai" ? HONOURED_BY_OPENAI : HONOURED;
  const names = fieldsWithoutEffect(body, honoured, HARMLESS_OPTIONS);
  return [
    ...names,
    ...ignoredFormatFields(body, "response_format"),
    ...ignoredMessageFields(body["messages"], dialect, "messages"),
  ];
}

/** Most choices (docs/wire.md 2.2.1, 1.2a). DashScope allows one with tools. */
function readChoices(body: Fields, dialect: Dialect): number {
  const dashScope = hasTools(body) ? 1 : 4;
  return readInteger(body, "n", range("n", 1, dialect === "openai" ? 8 : dashScope)) ?? 1;
}

/** Alternatives per token; undefined: none are shown. DashScope paths check the fields and ignore them. */
function readLogprobs(body: Fields, dialect: Dialect): number | undefined {
  const isOpenAi = dialect === "openai";
  const wanted = body["logprobs"] === 0 ? false : readBoolean(body, "logprobs");
  const top = readInteger(body, "top_logprobs", range("top_logprobs", 0, isOpenAi ? 20 : 5));
  if (!isOpenAi) return undefined;
  if (wanted) return top ?? 0;
  if (top !== undefined && top > 0) throw invalid("top_logprobs", "top_logprobs needs logprobs to be true.");
  return undefined;
}
