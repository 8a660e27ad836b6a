import { guessedPromptTokens } from "../../continuation/estimate.ts";
import type { FinishReason, StreamPart, TokenLogprob, Usage } from "../../continuation/output.ts";
import type { LoweredGap } from "../../continuation/prompt.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";
import { THOUGHT_BEGINS, type ThoughtAtStart } from "../../continuation/thought.ts";
import { type GeneratedToken, type Step, Transcript } from "../../continuation/transcript.ts";
import type { Asked, PeerUsage, Piece } from "./peer.ts";
import { cannot } from "./wishes.ts";

/** In place of an id that the engine does not tell. */
const UNTOLD = -1;

/** A token, or a stretch of text where the engine does not tell its tokens. */
interface Said extends GeneratedToken {
  readonly logprobs: readonly TokenLogprob[];
}

/**
 * One answer of an engine elsewhere: what it says, piece by piece, under our own rules for where an answer ends. Stops, end
 * tokens, whole characters and the end of a gap are the same as those of the embedded engine, because they are its code.
 */
export class Answer {
  readonly #request: ContinuationRequest;
  readonly #asked: Asked;
  readonly #transcript: Transcript;
  readonly #maxTokens: number;
  #tellsIds = true;
  #pushed = 0;
  #surrogate = "";
  #usage: PeerUsage = {};
  #endedBy: "engine" | "us" | undefined;

  constructor(request: ContinuationRequest, asked: Asked) {
    const { limits } = request;
    const thought = thoughtOf(request, asked);
    this.#request = request;
    this.#asked = asked;
    this.#maxTokens = limits.maxTokens ?? Number.POSITIVE_INFINITY;
    this.#transcript = new Transcript({
      ends: limits.ignoreEnds === true ? new Set() : asked.ends,
      stopSequences: limits.stopSequences,
      stopStrings: limits.stopStrings,
      ...(limits.minTokens !== undefined && { minTokens: limits.minTokens }),
      // The engine is told the limit, and is believed when it says that it has come to it.
      maxTokens: Number.POSITIVE_INFINITY,
      ...(asked.gap !== undefined && endsGap(request, asked.gap) && { gap: asked.gap }),
      ...(thought !== undefined && { thought }),
    });
  }

  /** The engine has said something of it. */
  get hasBegun(): boolean {
    return this.#pushed > 0 || this.hasEnded;
  }

  get hasEnded(): boolean {
    return this.#endedBy !== undefined;
  }

  /** We have ended it, and the engine may still be at work. */
  get isCut(): boolean {
    return this.#endedBy === "us";
  }

  /** Throws `unsupported_input` when an engine without ids was to stop at a sequence of them. */
  push(piece: Piece): readonly StreamPart[] {
    if (piece.usage !== undefined) this.#usage = { ...this.#usage, ...piece.usage };
    if (this.hasEnded) return [];
    const parts: StreamPart[] = [];
    for (const token of this.#tokensOf(piece)) {
      const isOver = this.#tellsIds && this.#pushed >= this.#maxTokens;
      this.#pushed += 1;
      const step = isOver ? this.#transcript.end("length") : this.#transcript.push(token);
      parts.push(...this.#shown(step));
      if (step.finished === undefined) continue;
      this.#endedBy = "us";
      return [...parts, this.#finish(step, step.finished)];
    }
    if (piece.finish === undefined) return parts;
    const { reason, raw, isCut } = piece.finish;
    const step = this.#transcript.end(reason);
    this.#endedBy = isCut === true ? "us" : "engine";
    return [...parts, ...this.#shown(step), this.#finish(step, step.finished ?? reason, raw)];
  }

  /** What it comes to, as far as it has come. */
  usage(): Usage {
    const { promptTokens: theirs, completionTokens, cachedPromptTokens } = this.#usage;
    const { promptTokens = theirs === undefined ? undefined : Math.max(0, theirs + this.#asked.countOffset) } =
      this.#asked;
    const counted = this.#tellsIds ? this.#transcript.completionTokens : undefined;
    // What was generated behind a place where we cut the text is no part of the answer.
    const generated = counted ?? (this.#endedBy === "engine" ? completionTokens : undefined);
    const prompt = promptTokens ?? guessedPromptTokens(this.#request.input);
    return {
      promptTokens: prompt,
      completionTokens: generated ?? this.#transcript.completionTokens,
      ...(cachedPromptTokens !== undefined && { cachedPromptTokens: Math.min(cachedPromptTokens, prompt) }),
      source: promptTokens === undefined || generated === undefined ? "estimate" : "engine",
    };
  }

  #tokensOf({ text = "", tokens, tokensSoFar, logprobs = [] }: Piece): readonly Said[] {
    const whole = this.#wholeCharacters(text);
    if (tokens === undefined) {
      if (text !== "") this.#doWithoutIds();
      return whole === "" && logprobs.length === 0 ? [] : [said(UNTOLD, whole, logprobs)];
    }
    const untold = Math.max(0, (tokensSoFar ?? 0) - this.#pushed - tokens.length);
    const ids = [...Array.from({ length: untold }, () => UNTOLD), ...tokens];
    if (ids.length === 0 && whole !== "") return [said(UNTOLD, whole, logprobs)];
    // The text of an event becomes visible with its last token.
    return ids.map((id, index) => {
      const score = logprobs[index - untold];
      return said(id, index === ids.length - 1 ? whole : "", score === undefined ? [] : [score]);
    });
  }

  #doWithoutIds(): void {
    this.#tellsIds = false;
    // Single ids the engine watches for by itself, or the request was refused before.
    if (this.#request.limits.stopSequences.some(({ length }) => length > 1))
      throw cannot("stop by sequences of token ids", "stop");
  }

  /** JSON may cut a character of two UTF-16 units in half. */
  #wholeCharacters(text: string): string {
    const all = this.#surrogate + text;
    const isCut = /[\uD800-\uDBFF]$/.test(all);
    this.#surrogate = isCut ? all.slice(-1) : "";
    return isCut ? all.slice(0, -1) : all;
  }

  #shown({ text, tokens, hiddenTokens }: Step): readonly StreamPart[] {
    if (text === "" && tokens.length === 0) return [];
    const ids = tokens.map(({ id }) => id);
    const logprobs = tokens.slice(hiddenTokens).flatMap((token) => (isSaid(token) ? token.logprobs : []));
    return [
      {
        type: "delta",
        choice: 0,
        text,
        ...(this.#tellsIds && !ids.includes(UNTOLD) && { tokens: ids }),
        ...(this.#request.logprobs !== undefined && { logprobs }),
      },
    ];
  }

  #finish({ rule }: Step, reason: FinishReason, raw?: string): StreamPart {
    return {
      type: "finish",
      choice: 0,
      reason,
      ...(raw !== undefined && { raw }),
      ...(rule !== undefined && { rule }),
    };
  }
}

function said(id: number, text: string, logprobs: readonly TokenLogprob[]): Said {
  return { id, text: text.replace(/\p{Surrogate}/gu, "\uFFFD"), logprobs }; // half a character is none
}

function isSaid(token: GeneratedToken): token is Said {
  return "logprobs" in token;
}

/** A request for so many tokens at least wants them whatever they are. */
function endsGap({ gapEnd, limits }: ContinuationRequest, { byDefault }: LoweredGap): boolean {
  const { minTokens = 0, ignoreEnds = false } = limits;
  return minTokens === 0 && !ignoreEnds && (gapEnd ?? byDefault);
}

/** A template that Continuo has not seen may let the weights think, unless the caller has begun the thought. */
function thoughtOf({ input }: ContinuationRequest, { thought, guarantee }: Asked): ThoughtAtStart | undefined {
  if (thought !== undefined || guarantee === "exact" || input.kind !== "chat") return thought;
  return input.assistantPrefix?.startsWith(THOUGHT_BEGINS) === true ? undefined : "possible";
}
