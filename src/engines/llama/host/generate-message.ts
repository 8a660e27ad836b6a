import { randomBytes } from "node:crypto";
import type { LoweredGap, LoweredPrompt } from "../../../continuation/prompt.ts";
import type { ContinuationRequest } from "../../../continuation/request.ts";
import { promptOf } from "../../../continuation/request-prompt.ts";
import { samplingOf } from "../../../continuation/sampling.ts";
import { gbnfOf } from "../../../continuation/shape.ts";
import type { EngineOptions, GenerateMessage } from "../wire/messages.ts";
import type { LoadedWeights } from "./weights.ts";

/** Settings of the operator for requests that do not choose. */
export interface RequestDefaults {
  readonly engine: Pick<EngineOptions, "deterministic">;
  /** Absent: where the kind of input and the weights gain by it. */
  readonly tokenHealing?: boolean;
  /** Prompt-lookup drafts; absent: yes. */
  readonly speculation?: boolean;
}

/** A request as the engine process takes it, and what it asked for although it cannot have an effect here. */
export interface Asked {
  readonly message: Omit<GenerateMessage, "choices" | "resumed">;
  readonly ignored: readonly string[];
}

/** The requests below this many tokens are those somebody watches a cursor for. */
const INTERACTIVE_TOKENS = 64;

export function askedOf(
  id: number,
  request: ContinuationRequest,
  { model, weights, ends }: LoadedWeights,
  defaults: RequestDefaults,
): Asked {
  const { logitBias, seed, ...sampling } = samplingOf(request);
  const { gap, ...prompt } = promptOf(request, weights, model.contextTokens);
  const isShort = (request.limits.maxTokens ?? Number.POSITIVE_INFINITY) <= INTERACTIVE_TOKENS;
  const message: Asked["message"] = {
    type: "generate",
    id,
    lane: request.input.kind === "infill" || isShort ? "interactive" : "batch",
    prompt,
    ...endOfGap(request, gap),
    limits: request.limits,
    ends,
    sampling,
    logitBias: [...(logitBias ?? [])],
    seed: (seed === undefined ? randomBytes(8).readBigUInt64LE() : BigInt.asUintN(64, BigInt(seed))).toString(),
    ...(request.logprobs !== undefined && { logprobs: request.logprobs }),
    promptLogprobs: request.promptLogprobs,
    ...(request.accepted === true && { admitted: true }),
    healing: canHeal(request) && (request.tokenHealing ?? defaults.tokenHealing ?? prompt.heal?.byDefault ?? false),
    speculation: !defaults.engine.deterministic && (request.speculation ?? defaults.speculation ?? true),
    ...(request.shape !== undefined && { grammar: { source: gbnfOf(request.shape), prefix: prefixOf(request) } }),
  };
  return { message, ignored: ignoredOf(request, prompt, defaults) };
}

function endOfGap(request: ContinuationRequest, gap: LoweredGap | undefined): Pick<GenerateMessage, "gap"> {
  if (gap === undefined || !mayEndWithGap(request)) return {};
  const { byDefault, ...rest } = gap;
  return (request.gapEnd ?? byDefault) ? { gap: rest } : {};
}

/** A request for a number of tokens wants them whatever they are, and a shape is that of the whole answer. */
function mayEndWithGap({ input, shape, limits: { minTokens = 0, ignoreEnds = false } }: ContinuationRequest): boolean {
  return input.kind === "infill" && shape === undefined && minTokens === 0 && !ignoreEnds;
}

function ignoredOf(
  request: ContinuationRequest,
  { heal }: Pick<LoweredPrompt, "heal">,
  defaults: RequestDefaults,
): string[] {
  const { tokenHealing, speculation, gapEnd } = request;
  return [
    ...(gapEnd === true && !mayEndWithGap(request) ? ["gapEnd"] : []),
    ...(tokenHealing === true && (heal === undefined || !canHeal(request)) ? ["tokenHealing"] : []),
    ...(speculation === true && defaults.engine.deterministic ? ["speculation"] : []),
  ];
}

/** A grammar describes the answer from its first character on, so none of a raw text before it is spelt again. */
function canHeal({ shape, input }: ContinuationRequest): boolean {
  return shape === undefined || input.kind === "chat";
}

/** The part of an answer that the caller wrote; a grammar describes the whole. */
function prefixOf({ input }: ContinuationRequest): string {
  return input.kind === "chat" ? (input.assistantPrefix ?? "") : "";
}
