/** Pools of scripted replicas. */
import type { Guarantee } from "../../src/continuation/guarantee.ts";
import type { StreamPart } from "../../src/continuation/output.ts";
import type { ContinuationRequest } from "../../src/continuation/request.ts";
import { ServiceError } from "../../src/errors.ts";
import type { PoolEvent } from "../../src/pool/figures.ts";
import { Pool, type PoolOptions } from "../../src/pool/pool.ts";
import { type Script, ScriptedEngine, type Step, startPart, usagePart } from "./scripted-engine.ts";

export const NEVER: AbortSignal = new AbortController().signal;
export const AWAY = new ServiceError("model_unavailable", "nobody answers");

export function request(over: Partial<ContinuationRequest> = {}): ContinuationRequest {
  const limits = { stopStrings: [], stopSequences: [], maxInputTokens: 100, truncate: false, maxTokens: 10 };
  return {
    model: "m",
    input: { kind: "text", parts: [{ text: "Once" }] },
    sampling: {},
    limits,
    choices: 1,
    promptLogprobs: false,
    ...over,
  };
}

/** Tokens of a letter each. */
export function letters(text: string): StreamPart[] {
  return [...text].map((letter) => ({ type: "delta", choice: 0, text: letter, tokens: [letter.charCodeAt(0)] }));
}

/** So many tokens of a thought, which are not shown. */
export function thinking(tokens: number): StreamPart[] {
  return Array.from({ length: tokens }, (_, index) => ({ type: "delta", choice: 0, text: "", tokens: [900 + index] }));
}

/** What weights do that know the whole answer by heart: they go on from wherever the prompt ends. */
export function byHeart(whole: string, brokenAfter = Number.POSITIVE_INFINITY, error: Error = AWAY): Script {
  return ({ input }) => {
    const before =
      input.kind === "text"
        ? input.parts
            .slice(1)
            .map((part) => ("text" in part ? part.text : ""))
            .join("")
        : "";
    const rest = whole.slice(before.length);
    const promptTokens = 4 + before.length;
    if (rest.length <= brokenAfter) {
      return [startPart({ promptTokens }), ...letters(rest), END, usagePart(rest.length, { promptTokens })];
    }
    // It has computed one more than anybody got.
    const usage = usagePart(brokenAfter + 1, { promptTokens });
    return [startPart({ promptTokens }), ...letters(rest.slice(0, brokenAfter)), usage, error];
  };
}

/** The same with a promise about its prompt. */
export function promising(guarantee: Guarantee, script: Script): Script {
  return (asked) =>
    [...script(asked)].map((step) => ("type" in step && step.type === "start" ? { ...step, guarantee } : step));
}

export const END: Step = { type: "finish", choice: 0, reason: "stop" };

/** The first is preferred. No delay ever ends, unless the test ends it. */
export function pool(scripts: readonly Script[], over: Partial<PoolOptions> = {}) {
  const engines = scripts.map((script, index) => new ScriptedEngine(script, `r${index}`));
  const events: PoolEvent[] = [];
  const made = new Pool({
    name: "m",
    replicas: engines.map((engine, index) => ({ engine, weight: 100 - index })),
    policy: "least_loaded",
    maxResumes: 3,
    now: () => 0,
    random: () => 0,
    after: () => () => {},
    report: (event) => events.push(event),
    ...over,
  });
  return { pool: made, engines, events };
}
