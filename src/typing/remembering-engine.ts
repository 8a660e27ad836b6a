import type { Engine } from "../continuation/engine.ts";
import { guessedPromptTokens } from "../continuation/estimate.ts";
import type { StartPart, StreamPart, Usage } from "../continuation/output.ts";
import type { ContinuationRequest } from "../continuation/request.ts";
import { samplingOf } from "../continuation/sampling.ts";
import { ServiceError } from "../errors.ts";
import { countOf, pieceOf, type Rest, restOf, tokensOf } from "./answer.ts";
import type { AnswerMemory, Found, Remembering } from "./answer-memory.ts";
import { Continuing, type Next } from "./continuing.ts";
import { movedTo, type Place, placeOf } from "./place.ts";

type Asked = Pick<Engine, "name" | "generate" | "stats">;

export interface Memories {
  readonly memory: AnswerMemory;
  /** Who calls: answers go to nobody else. */
  readonly owner: string;
  /** The rest of an answer that has been typed in part is said, not only an answer at the very place of it. */
  readonly saysRests: boolean;
}

/** A remembered answer as somebody gets it. */
interface Recalled {
  readonly rest: Rest;
  readonly promptTokens: number;
  readonly start: StartPart;
  /** Of the prompt tokens: something of the answer has been typed since they were counted, or they never were. */
  readonly isGuess: boolean;
  /** What goes on behind it; absent: it is whole. */
  readonly next?: Next;
}

/**
 * The same engine, which does not compute again what it has said to this caller: somebody who types along an answer, deletes
 * something, or comes back to a place gets the rest of that answer.
 *
 * What it says is what the engine said at the earlier place, given that it begins with what has been typed since. That is
 * what healing says that reaches back to that place; healing reaches back as far as a cut word may.
 */
export function rememberingEngine(engine: Asked, { memory, owner, saysRests }: Memories): Pick<Engine, "generate"> {
  // Weights that came into memory again may be others.
  const key = (): string => JSON.stringify([owner, engine.name, engine.stats().loads ?? 0]);
  const generate = (request: ContinuationRequest, signal: AbortSignal): AsyncIterable<StreamPart> => {
    const place = isRepeatable(request) ? placeOf(request) : undefined;
    if (place === undefined) return engine.generate(request, signal);
    const found = memory.find(key(), place);
    const recalled = found === undefined ? undefined : recall(request, place, found, saysRests);
    const { maxTokens } = (recalled?.next?.request ?? request).limits;
    const begin = (at: Place, start: StartPart): Remembering => memory.remember(key(), at, start, maxTokens);
    if (recalled === undefined) return recorded(engine.generate(request, signal), (start) => begin(place, start));
    return said(recalled, engine, signal, begin);
  };
  return { generate };
}

/** The same request would be answered by the same text, and its end alone would be if its beginning had been typed. */
function isRepeatable(request: ContinuationRequest): boolean {
  const { input, choices, logprobs, promptLogprobs, shape, answered, limits } = request;
  if (choices !== 1 || logprobs !== undefined || promptLogprobs || shape !== undefined || answered !== undefined)
    return false;
  if (limits.maxTokens === 0 || (limits.minTokens ?? 0) > 0) return false;
  if (input.kind === "infill" && input.middle !== "") return false;
  const { presencePenalty = 0, frequencyPenalty = 0, seed } = samplingOf(request);
  if (presencePenalty !== 0 || frequencyPenalty !== 0) return false;
  return isGreedy(request) || seed !== undefined;
}

/** By the caller's or the operator's wish: what weights elsewhere are recommended with need not be what they are run with. */
function isGreedy({ sampling, defaults }: ContinuationRequest): boolean {
  const { temperature, topK } = { ...defaults?.operator, ...sampling };
  return temperature === 0 || topK === 1;
}

function recall(
  request: ContinuationRequest,
  place: Place,
  { answer, typedUnits }: Found,
  saysRests: boolean,
): Recalled | undefined {
  const isTyped = typedUnits > 0;
  // Of a seed the first draws would come again, for other tokens.
  if (isTyped && !(saysRests && isGreedy(request))) return undefined;
  const { limits } = request;
  const rest = restOf(answer, typedUnits, limits.maxTokens);
  if (rest === undefined) return undefined;
  const promptTokens = (answer.promptTokens ?? guessedPromptTokens(request.input)) + rest.typedTokens;
  if (promptTokens > limits.maxInputTokens) return undefined;
  const start = { ...answer.start, promptTokens };
  const recalled = { rest, promptTokens, isGuess: isTyped || answer.promptTokens === undefined };
  if (rest.end !== undefined) return { ...recalled, start: { ...start, remembered: "whole" } };
  const before = { ...place, text: place.text.slice(0, answer.units) };
  const { maxTokens } = limits;
  const most = maxTokens === undefined ? {} : { maxTokens: maxTokens + rest.typedTokens };
  const next = { ...movedTo(request, before.text), limits: { ...limits, ...most } };
  return {
    ...recalled,
    start: { ...start, remembered: "beginning" },
    next: { request: next, place: before, answer },
  };
}

/** The same parts, remembered as they pass. */
async function* recorded(
  parts: AsyncIterable<StreamPart>,
  begin: (start: StartPart) => Remembering,
): AsyncGenerator<StreamPart> {
  let start: StartPart | undefined;
  let remembering: Remembering | undefined;
  for await (const part of parts) {
    if (part.type === "start") {
      // Again: another replica begins anew, and what the one before said was shown to nobody.
      remembering = undefined;
      start = part.truncatedTokens === 0 ? part : undefined;
    }
    if (part.type === "delta" && start !== undefined) {
      remembering ??= begin(start);
      remembering.add(pieceOf(part));
    }
    if (part.type === "finish") remembering?.end(part);
    if (part.type === "usage") remembering?.counted(part.usage.promptTokens);
    yield part;
  }
}

async function* said(
  recalled: Recalled,
  engine: Asked,
  signal: AbortSignal,
  begin: (place: Place, start: StartPart) => Remembering,
): AsyncGenerator<StreamPart> {
  const { rest, start, next } = recalled;
  const { text, pieces, end } = rest;
  signal.throwIfAborted();
  yield start;
  const tokens = tokensOf(pieces);
  yield { type: "delta", choice: 0, text, ...(tokens === undefined ? { pieces: countOf(pieces) } : { tokens }) };
  if (next !== undefined) {
    yield* continued(recalled, engine, signal, new Continuing(next, begin));
    return;
  }
  if (end !== undefined) yield end;
  yield { type: "usage", usage: usageOf(recalled) };
}

const OVER = new Error("the engine says something else than before");

async function* continued(
  recalled: Recalled,
  engine: Asked,
  signal: AbortSignal,
  continuing: Continuing,
): AsyncGenerator<StreamPart> {
  let usage = usageOf(recalled);
  let isKnownOnly = true;
  const over = new AbortController();
  try {
    for await (const part of engine.generate(continuing.request, AbortSignal.any([signal, over.signal]))) {
      if (part.type === "usage") usage = usageOf(recalled, part.usage);
      const told = continuing.told(part);
      isKnownOnly &&= told === undefined;
      if (told !== undefined) yield told;
      if (continuing.isOther) over.abort(OVER);
    }
  } catch (error) {
    // Whatever the engine makes of the abort. And one that is away takes nothing from who has an answer without it.
    const mayEnd = over.signal.aborted || (isKnownOnly && error instanceof ServiceError);
    if (signal.aborted || !mayEnd) {
      yield { type: "usage", usage };
      throw error;
    }
  }
  // What the caller has got is all that can be told.
  if (continuing.isOther || isKnownOnly) yield { type: "finish", choice: 0, reason: "length" };
  yield { type: "usage", usage };
}

/** @param later what was computed for the whole answer, if it was said once more. */
function usageOf({ promptTokens, isGuess, rest }: Recalled, later?: Usage): Usage {
  const evaluated = later?.cachedPromptTokens === undefined ? 0 : later.promptTokens - later.cachedPromptTokens;
  const isKnown = !isGuess && (later?.source ?? "engine") === "engine";
  const shown = countOf(rest.pieces);
  return {
    promptTokens,
    completionTokens: later === undefined ? shown : Math.max(shown, later.completionTokens - rest.typedTokens),
    ...((later === undefined || later.cachedPromptTokens !== undefined) && {
      cachedPromptTokens: Math.max(0, promptTokens - evaluated),
    }),
    ...(later?.drafts !== undefined && { drafts: later.drafts }),
    source: isKnown ? "engine" : "estimate",
  };
}
