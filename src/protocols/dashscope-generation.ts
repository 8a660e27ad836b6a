import type { ContinuationRequest } from "../continuation/request.ts";
import { ServiceError } from "../errors.ts";
import { generationRequest } from "../wire/dashscope/generation.ts";
import { ignoredFormatFields, readAnswerShape } from "./answer-shape.ts";
import { HARMLESS_OPTIONS, hasTools } from "./chat-options.ts";
import { readSwitches, SWITCH_FIELDS } from "./engine-switches.ts";
import { dashScopeFailure } from "./errors.ts";
import { GenerationEncoder } from "./generation-encoder.ts";
import { ignoredInputFields, readInput, readInputObject } from "./generation-input.ts";
import { fieldsWithoutEffect } from "./ignored.ts";
import { LIMIT_FIELDS, readLimits } from "./limits.ts";
import { type Fields, invalid, range, readBoolean, readInteger, readObject } from "./parameters.ts";
import type { Call, Decoded, Protocol } from "./protocol.ts";
import { readSampling, SAMPLING_FIELDS } from "./sampling.ts";
import { wireName } from "./wire-names.ts";

/** DashScope's own generation route, text format and message format, with Partial Mode (docs/wire.md 2.3 and 4). */
export function generationProtocol(): Protocol {
  return {
    name: "generation",
    dialect: "dashscope",
    body: generationRequest,
    // Every catalogued name takes this route (docs/wire.md 5.1).
    admit: () => undefined,
    wanted: () => "chat",
    decode,
    failure: dashScopeFailure,
  };
}

const HONOURED = new Set([
  "result_format",
  "max_tokens",
  "n",
  "response_format",
  ...SAMPLING_FIELDS,
  ...LIMIT_FIELDS,
  ...SWITCH_FIELDS,
]);

function decode(body: Fields, call: Call): Decoded {
  const { card } = call;
  checkHeaders(call.headers);
  const stream = wantsStream(call.headers);
  const wireInput = readInputObject(body);
  const parameters = readObject(body, "parameters") ?? {};
  const input = readInput(wireInput, parameters, call);
  const held = readAnswerShape(parameters, input, "dashscope");
  const format = readFormat(parameters);
  const choices = readChoices(parameters, format);
  const incremental = readBoolean(parameters, "incremental_output") ?? false;
  checkLogprobs(parameters);
  const request: ContinuationRequest = {
    model: card.name,
    input,
    sampling: readSampling(parameters, "generation"),
    defaults: card.defaults,
    limits: readLimits(parameters, card, ["max_tokens"]),
    choices,
    promptLogprobs: false,
    ...readSwitches(parameters),
    ...(held.shape === undefined ? {} : { shape: held.shape }),
  };
  return {
    requests: [request],
    stream,
    ignored: [
      ...fieldsWithoutEffect(body, new Set(["model", "input", "parameters"])),
      ...ignoredInputFields(wireInput),
      ...ignoredParameters(parameters, stream),
    ],
    wireName: (setting) => `parameters.${wireName(setting, held.field)}`,
    encoder: new GenerationEncoder({ requestId: call.requestId, format, incremental, choices }),
  };
}

type Headers = Call["headers"];

function checkHeaders(headers: Headers): void {
  if (headers["x-dashscope-async"]?.trim().toLowerCase() === "enable") {
    throw new ServiceError("async_not_supported", "Current user api does not support asynchronous calls.");
  }
  if ((headers["x-dashscope-encryptionkey"] ?? "") !== "") {
    throw new ServiceError(
      "unsupported_input",
      "Encrypted bodies are not offered; send the request without X-DashScope-EncryptionKey.",
      { param: "X-DashScope-EncryptionKey" },
    );
  }
}

/** `stream` in the body is a copy that a client makes for itself; the header decides (docs/wire.md 1.3). */
function wantsStream(headers: Headers): boolean {
  const isEnabled = headers["x-dashscope-sse"]?.trim().toLowerCase() === "enable";
  return isEnabled || (headers["accept"] ?? "").toLowerCase().includes("text/event-stream");
}

function readFormat(parameters: Fields): "text" | "message" {
  const format = parameters["result_format"] ?? "text";
  if (format === "text" || format === "message") return format;
  throw invalid("result_format", 'result_format should be one of ["text", "message"]');
}

function readChoices(parameters: Fields, format: "text" | "message"): number {
  const choices = readInteger(parameters, "n", range("n", 1, hasTools(parameters) ? 1 : 4)) ?? 1;
  if (choices > 1 && format === "text") {
    throw invalid("n", 'n greater than 1 needs result_format "message": the text format holds one answer.');
  }
  return choices;
}

/** Checked like on the chat route, and without effect here. */
function checkLogprobs(parameters: Fields): void {
  if (parameters["logprobs"] !== 0) readBoolean(parameters, "logprobs");
  readInteger(parameters, "top_logprobs", range("top_logprobs", 0, 5));
}

function ignoredParameters(parameters: Fields, stream: boolean): string[] {
  const harmless = {
    ...HARMLESS_OPTIONS,
    stream: (value: unknown) => value === stream,
    incremental_output: (value: unknown) => stream || value === false,
  };
  return [
    ...fieldsWithoutEffect(parameters, HONOURED, harmless, "parameters."),
    ...ignoredFormatFields(parameters, "parameters.response_format"),
  ];
}
