import type { ModelCard } from "../../src/continuation/card.ts";
import type { EngineModel } from "../../src/continuation/engine.ts";
import type { SamplingDefaults } from "../../src/continuation/request.ts";
import { ServiceError } from "../../src/errors.ts";
import type { Call } from "../../src/protocols/protocol.ts";

/** What a protocol is told about a call; made up, but complete. */
export const REQUEST_ID = "0d3c6a0e-2f49-4c59-8d65-cb4b7b3df3a0";

export function modelOf(change: Partial<EngineModel> = {}): EngineModel {
  return {
    id: "weights",
    contextTokens: 8192,
    fim: "qwen",
    chat: true,
    vocabularySize: 151_936,
    defaults: {},
    ...change,
  };
}

export const CARD_DEFAULTS: SamplingDefaults = {
  model: { temperature: 0.7, topP: 0.8, repetitionPenalty: 1.1 },
  operator: { topK: 20, presencePenalty: 1.5 },
};

export function cardOf(change: Partial<ModelCard> = {}): ModelCard {
  return {
    name: "qwen2.5-coder-0.5b-instruct",
    catalogued: true,
    completions: true,
    partial: true,
    answeredBy: { id: "weights", standIn: false, model: modelOf() },
    maxInputTokens: 8191,
    maxOutputTokens: 4096,
    contextTokens: 8192,
    defaults: CARD_DEFAULTS,
    ...change,
  };
}

export function callOf(change: Partial<Call> = {}): Call {
  return {
    card: cardOf(),
    infillModels: ["qwen-coder-turbo", "coder"],
    headers: {},
    requestId: REQUEST_ID,
    createdSeconds: 1_762_840_000,
    ...change,
  };
}

/** The `ServiceError` that `act` throws, as `[code, message, param]`. Anything else thrown passes through. */
export function refusal(act: () => unknown): readonly [string, string, string?] {
  try {
    act();
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    const { param } = error.detail;
    return param === undefined ? [error.code, error.message] : [error.code, error.message, param];
  }
  throw new Error("nothing was refused");
}
