import type { ContinuationRequest, Sampling } from "../continuation/request.ts";
import { ServiceError } from "../errors.ts";
import { completionsRequest } from "../wire/openai/completions.ts";
import { readGrammar } from "./answer-shape.ts";
import { takesCompletions } from "./capabilities.ts";
import { CompletionsEncoder } from "./completions-encoder.ts";
import { readSwitches, SWITCH_FIELDS } from "./engine-switches.ts";
import { openAiFailure } from "./errors.ts";
import { hasMarkers } from "./fim-prompt.ts";
import { fieldsWithoutEffect } from "./ignored.ts";
import { END_FIELDS, LIMIT_FIELDS, readEnds, readLimits } from "./limits.ts";
import { type Fields, invalid, range, readBoolean, readInteger, readString } from "./parameters.ts";
import { type Prompt, readPrompts, toContinuation } from "./prompts.ts";
import type { Call, Decoded, Dialect, Protocol } from "./protocol.ts";
import { readSampling, SAMPLING_FIELDS } from "./sampling.ts";
import { readDelivery } from "./stream-options.ts";
import { wireName } from "./wire-names.ts";

/** OpenAI's legacy text completion: fill-in-the-middle and prefix continuation (docs/wire.md 2.1, OpenAI dialect: 1.2a). */
export function completionsProtocol(dialect: Dialect): Protocol {
  return {
    name: "completions",
    dialect,
    body: completionsRequest,
    admit(card) {
      if (takesCompletions(card, dialect)) return;
      const message =
        dialect === "dashscope"
          ? `Unsupported model ${card.name} for OpenAI compatibility mode.`
          : `The configuration keeps the model ${card.name} from this route (capabilities.completions: false).`;
      throw new ServiceError("model_not_supported", message, { model: card.name, param: "model" });
    },
    wanted: (body) => (wantsInfill(body) ? "infill" : "text"),
    decode: (body, call) => decode(body, call, dialect),
    failure: (error, requestId) => openAiFailure(error, { dialect, requestId, idPrefix: "cmpl-" }),
  };
}

const HONOURED = new Set([
  ...["model", "prompt", "suffix", "max_tokens", "stream", "stream_options", "echo", "n", "best_of"],
  ...SAMPLING_FIELDS,
  ...LIMIT_FIELDS,
  ...SWITCH_FIELDS,
]);

function wantsInfill({ prompt, suffix }: Fields): boolean {
  const prompts: readonly unknown[] = Array.isArray(prompt) ? prompt : [prompt];
  const hasSuffix = typeof suffix === "string" && suffix !== "";
  return hasSuffix || prompts.some((item) => typeof item === "string" && hasMarkers(item));
}

function decode(body: Fields, call: Call, dialect: Dialect): Decoded {
  const { card } = call;
  const delivery = readDelivery(body);
  const prompts = readPrompts(body["prompt"], call);
  const suffix = readString(body, "suffix");
  const inputs = prompts.map((prompt) => toContinuation(prompt, suffix, dialect, call));
  const echo = readEcho(body, dialect, suffix);
  const count = readChoices(body, dialect, delivery.stream);
  const logprobs = dialect === "openai" ? readLogprobs(body) : undefined;
  const limits = readLimits(body, card, ["max_tokens"], echo ? 0 : 1);
  const { shape } = dialect === "openai" ? readGrammar(body) : {};
  const shared: Omit<ContinuationRequest, "input"> = {
    model: card.name,
    sampling: readSampling(body, dialect, card.answeredBy.model?.vocabularySize),
    defaults: { model: ofText(card.defaults.model), operator: ofText(card.defaults.operator) },
    limits: dialect === "openai" ? { ...limits, ...readEnds(body, limits) } : limits,
    choices: count.generated,
    ...scoring(prompts, echo, logprobs, count),
    ...readSwitches(body),
    ...(shape === undefined ? {} : { shape }),
  };
  return {
    requests: inputs.map((input) => ({ ...shared, input })),
    ...(count.shown < count.generated ? { keepBest: count.shown } : {}),
    stream: delivery.stream,
    ignored: [...ignoredFields(body, dialect), ...delivery.ignored],
    wireName: (setting) => wireName(setting),
    encoder: new CompletionsEncoder({
      dialect,
      requestId: call.requestId,
      createdSeconds: call.createdSeconds,
      model: card.name,
      prompts,
      choices: count.shown,
      echo,
      ...(logprobs === undefined ? {} : { logprobs }),
      includeUsage: delivery.includeUsage,
    }),
  };
}

/** The penalties of the defaults are meant for dialogues. */
function ofText({ repetitionPenalty: _, presencePenalty: __, ...sampling }: Sampling): Sampling {
  return sampling;
}

function ignoredFields(body: Fields, dialect: Dialect): string[] {
  const honoured = dialect === "openai" ? new Set([...HONOURED, ...END_FIELDS, "logprobs", "grammar"]) : HONOURED;
  const isNone = (value: unknown): boolean => value === false || value === 0;
  return fieldsWithoutEffect(body, honoured, { logprobs: isNone, ignore_eos: isNone, min_tokens: isNone });
}

function readEcho(body: Fields, dialect: Dialect, suffix: string | undefined): boolean {
  const echo = readBoolean(body, "echo") ?? false;
  if (!echo) return false;
  if (dialect === "dashscope") throw invalid("echo", "The echo parameter is not supported.");
  if (suffix !== undefined && suffix !== "") throw invalid("echo", "echo cannot be used with suffix.");
  return true;
}

interface ChoiceCount {
  /** Per prompt. */
  readonly generated: number;
  readonly shown: number;
}

/** Most choices shown, and most generated to choose from, per prompt in the OpenAI dialect. The second is OpenAI's own. */
const MAX_CHOICES = 8;
const MAX_BEST_OF = 20;

function readChoices(body: Fields, dialect: Dialect, stream: boolean): ChoiceCount {
  const isOpenAi = dialect === "openai";
  const shown = readInteger(body, "n", range("n", 1, isOpenAi ? MAX_CHOICES : 1)) ?? 1;
  const best = readInteger(body, "best_of", range("best_of", shown, isOpenAi ? MAX_BEST_OF : 1));
  const generated = best ?? shown;
  if (stream && generated > shown) throw invalid("best_of", "best_of greater than n cannot be used with stream.");
  return { generated, shown };
}

/** Most alternatives per token in the legacy form. */
const MAX_LOGPROBS = 5;

/** `false` is what callers of other servers send for "none". */
function readLogprobs(body: Fields): number | undefined {
  if (body["logprobs"] === false) return undefined;
  return readInteger(body, "logprobs", range("logprobs", 0, MAX_LOGPROBS));
}

/** Choosing the best needs log probabilities, and so does the text of echoed ids, shown or not. */
function scoring(
  prompts: readonly Prompt[],
  echo: boolean,
  logprobs: number | undefined,
  count: ChoiceCount,
): Pick<ContinuationRequest, "logprobs" | "promptLogprobs"> {
  const promptLogprobs = echo && (logprobs !== undefined || prompts.some((prompt) => typeof prompt !== "string"));
  const isNeeded = promptLogprobs || count.generated > count.shown;
  const alternatives = logprobs ?? (isNeeded ? 0 : undefined);
  return { promptLogprobs, ...(alternatives === undefined ? {} : { logprobs: alternatives }) };
}
