import type { GapRule } from "./gap/gap-end.ts";
import type { Guarantee } from "./guarantee.ts";

/**
 * What an engine says, in order: one `start`, at most one `echo`, per choice `delta`* then one `finish`, and one `usage` last.
 * Choices may interleave. A stream that fails says `usage` too before it throws.
 *
 * `start` comes again where what it says has changed: another replica answers, or a further prompt is under way. The last
 * one holds for the whole answer.
 */
export type StreamPart = StartPart | EchoPart | DeltaPart | FinishPart | UsagePart;

export interface StartPart {
  readonly type: "start";
  /** Who really answers: the name of the weights. */
  readonly model: string;
  /** As far as they are known now; `usage` has the last word. Absent: the engine has not told yet. */
  readonly promptTokens?: number;
  /** Prompt tokens cut off because the caller allowed it. */
  readonly truncatedTokens: number;
  /** Settings of the request that this engine has no use for, by their domain names (`topK`, `seed`, …). */
  readonly ignored: readonly string[];
  /** What the answer promises about its prompt. Absent: nothing. */
  readonly guarantee?: Guarantee;
  /** What has been said before and is not computed again: the whole answer, or its beginning. Absent: nothing of it. */
  readonly remembered?: "whole" | "beginning";
}

/** Log probabilities of the prompt's own tokens; the first token has none. */
export interface EchoPart {
  readonly type: "echo";
  /** The prompt this belongs to, as the index of its first choice. */
  readonly choice: number;
  readonly tokens: readonly (TokenLogprob | UnscoredToken)[];
}

export interface DeltaPart {
  readonly type: "delta";
  readonly choice: number;
  /** Whole characters; may be empty when only tokens are reported. */
  readonly text: string;
  /** Tokens first made visible, at least in part, by this delta. Absent when the engine does not tell. */
  readonly tokens?: readonly number[];
  /** Where `tokens` is absent: how many pieces of text the engine has sent for this, one or more. Absent: 1. */
  readonly pieces?: number;
  /** One entry per entry of `tokens` that is no thought, when log probabilities were asked for. */
  readonly logprobs?: readonly TokenLogprob[];
}

/** The caller is to know something else; how many tokens the prompt has is said with the usage. */
export function saysElse(start: StartPart, told: StartPart): boolean {
  return (
    start.model !== told.model ||
    start.guarantee !== told.guarantee ||
    start.truncatedTokens !== told.truncatedTokens ||
    start.ignored.join() !== told.ignored.join()
  );
}

/** Text or a score of it that a reader sees. The tokens of a hidden thought show nothing. */
export function isShown(part: StreamPart): boolean {
  return part.type === "delta" && (part.text !== "" || (part.logprobs?.length ?? 0) > 0);
}

/** The reader has something of the answer itself, which nothing can take back. */
export function beginsAnswer(part: StreamPart): boolean {
  return part.type === "finish" || isShown(part);
}

/** Tokens of a delta. An engine that does not tell them is taken to send one with each piece of text. */
export function tokenCount({ tokens, pieces = 1 }: DeltaPart): number {
  return tokens?.length ?? pieces;
}

/** Deltas of one choice that follow each other, one at least, as one. */
export function joined(deltas: readonly [DeltaPart, ...DeltaPart[]]): DeltaPart {
  const [first] = deltas;
  if (deltas.length === 1) return first;
  const tokens = deltas.flatMap((delta) => delta.tokens ?? []);
  const pieces = deltas.reduce((sum, delta) => sum + tokenCount(delta), 0);
  const logprobs = deltas.flatMap((delta) => delta.logprobs ?? []);
  return {
    type: "delta",
    choice: first.choice,
    text: deltas.map(({ text }) => text).join(""),
    ...(deltas.every((delta) => delta.tokens !== undefined) ? { tokens } : { pieces }),
    ...(deltas.some((delta) => delta.logprobs !== undefined) && { logprobs }),
  };
}

export interface FinishPart {
  readonly type: "finish";
  readonly choice: number;
  /** null: cut by the time limit of a plain call (docs/wire.md 6.8). */
  readonly reason: FinishReason | null;
  /** The engine's own word for it, where it has one: for people and logs, never for callers. */
  readonly raw?: string;
  /** The rule that ended an answer in a gap; absent where the weights, a stop or a limit did. */
  readonly rule?: GapRule;
}

export interface UsagePart {
  readonly type: "usage";
  readonly usage: Usage;
}

/**
 * `stop`: an end token, stop string, stop id or the end of a gap. `length`: the token limit or the context.
 * `content_filter`: whoever runs the engine does not let it say more.
 */
export type FinishReason = "stop" | "length" | "content_filter";

export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Prompt tokens that needed no evaluation. Absent: the engine did not say; never 0 as a guess. */
  readonly cachedPromptTokens?: number;
  /** Tokens guessed ahead and how many of them became part of an answer. Absent: the engine did not guess. */
  readonly drafts?: { readonly proposed: number; readonly accepted: number };
  readonly source: "engine" | "estimate";
}

export interface UnscoredToken {
  readonly bytes: readonly number[];
  readonly control?: string;
  readonly logprob: null;
}

export interface TokenLogprob {
  /** What it adds to the text: UTF-8, which a token may cut anywhere. */
  readonly bytes: readonly number[];
  /** The spelling of a control token, which adds nothing to the text. */
  readonly control?: string;
  /** Natural logarithm. */
  readonly logprob: number;
  /** The likeliest tokens at this place, likeliest first, as many as were asked for. */
  readonly top: readonly Omit<TokenLogprob, "top">[];
}

/** A whole answer: the fold of a stream. */
export interface Result {
  readonly start: StartPart;
  readonly echo: readonly EchoPart[];
  readonly choices: readonly ChoiceResult[];
  readonly usage: Usage;
}

export interface ChoiceResult {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly logprobs: readonly TokenLogprob[];
  readonly reason: FinishReason | null;
  readonly raw?: string;
  readonly rule?: GapRule;
}

/** Folds a stream into a result. Throws what the stream throws. */
export async function collect(parts: AsyncIterable<StreamPart>): Promise<Result> {
  const fold = new Fold();
  for await (const part of parts) fold.push(part);
  return fold.result();
}

/** The first thing that a stream says, after which it is left. Throws what the stream throws. */
export async function startOf(parts: AsyncIterable<StreamPart>): Promise<StartPart> {
  for await (const part of parts) if (part.type === "start") return part;
  throw new Error("a stream ended before its start part");
}

/** What is known of an answer before anything of it has arrived. */
interface Asked {
  /** The result has as many at least; those of which nothing has arrived are empty. */
  readonly choices: number;
  /** A guess, for an engine that has not told them. */
  readonly promptTokens: number;
}

/** The fold behind `collect`, for callers that may have to stop early and keep what arrived. */
export class Fold {
  #start: StartPart | undefined;
  #usage: Usage | undefined;
  readonly #echo: EchoPart[] = [];
  readonly #choices: MutableChoice[] = [];
  readonly #asked: Asked;
  #completionTokens = 0;

  /** @param asked for an answer that is left early. */
  constructor(asked: Asked = { choices: 0, promptTokens: 0 }) {
    this.#asked = asked;
  }

  push(part: StreamPart): void {
    switch (part.type) {
      case "start":
        this.#start = part;
        return;
      case "echo":
        this.#echo.push(part);
        return;
      case "usage":
        this.#usage = part.usage;
        return;
      case "finish":
        this.#finish(part);
        return;
      case "delta": {
        const choice = this.#choice(part.choice);
        this.#completionTokens += tokenCount(part);
        choice.text += part.text;
        choice.tokens.push(...(part.tokens ?? []));
        choice.logprobs.push(...(part.logprobs ?? []));
      }
    }
  }

  /** True once any text arrived. */
  get hasText(): boolean {
    return this.#choices.some((choice) => choice.text !== "");
  }

  /** The answer so far. Without a `usage` part the usage is what was seen, marked as an estimate. */
  result(): Result {
    if (this.#start === undefined) throw new Error("a stream ended before its start part");
    const length = Math.max(this.#asked.choices, this.#choices.length);
    const choices = Array.from({ length }, (_, index) => copyOf(this.#choices[index] ?? emptyChoice()));
    const completionTokens = this.#completionTokens;
    const promptTokens = this.#start.promptTokens ?? this.#asked.promptTokens;
    const estimate: Usage = { promptTokens, completionTokens, source: "estimate" };
    return { start: this.#start, echo: [...this.#echo], choices, usage: this.#usage ?? estimate };
  }

  #finish({ choice, reason, raw, rule }: FinishPart): void {
    const ended = this.#choice(choice);
    ended.reason = reason;
    if (raw !== undefined) ended.raw = raw;
    if (rule !== undefined) ended.rule = rule;
  }

  #choice(index: number): MutableChoice {
    const existing = this.#choices[index];
    if (existing !== undefined) return existing;
    const created = emptyChoice();
    this.#choices[index] = created;
    return created;
  }
}

interface MutableChoice {
  text: string;
  tokens: number[];
  logprobs: TokenLogprob[];
  reason: FinishReason | null;
  raw?: string;
  rule?: GapRule;
}

function copyOf(choice: MutableChoice): ChoiceResult {
  return { ...choice, tokens: [...choice.tokens], logprobs: [...choice.logprobs] };
}

function emptyChoice(): MutableChoice {
  return { text: "", tokens: [], logprobs: [], reason: null };
}
