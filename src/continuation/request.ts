import type { Continuation } from "./input.ts";
import type { AnswerShape } from "./shape.ts";
import type { TraceContext } from "./trace.ts";

export interface ContinuationRequest {
  /** The name the caller used. */
  readonly model: string;
  readonly input: Continuation;
  /** What the caller set, and nothing else. */
  readonly sampling: Sampling;
  /** For what the caller left open. Absent: nobody knows any. */
  readonly defaults?: SamplingDefaults;
  readonly limits: Limits;
  /** Independent continuations of the same input, at least 1. */
  readonly choices: number;
  /** Log probabilities per generated token with this many alternatives; 0 is the chosen token only, absent is none. */
  readonly logprobs?: number;
  /** Report the log probabilities of the prompt's own tokens too (an `echo` part). Needs `logprobs`. */
  readonly promptLogprobs: boolean;
  /** Continue a word that the prefix cuts, whatever its tokens are (see `healing.ts`). Absent: what suits weights and input. */
  readonly tokenHealing?: boolean;
  /** End an infill where its gap ends, whatever the weights do (see `gap/`). Absent: what suits the layout. */
  readonly gapEnd?: boolean;
  /** Guess tokens from the prompt and verify them together; never changes the text. Absent: the engine's own setting. */
  readonly speculation?: boolean;
  /** What the whole answer matches. Absent: any text will do. */
  readonly shape?: AnswerShape;
  /** What of the input is the answer so far, when it goes on. Absent: nothing. */
  readonly answered?: Answered;
  /** What logs call the call that it is part of. */
  readonly callId?: string;
  /** Where it stands in a trace. Absent: in none. */
  readonly trace?: TraceContext;
  /** Why it is asked of this engine after or beside another one. Absent: it is the first. */
  readonly attempt?: "retry" | "resume" | "hedge";
  /** Somebody waits for this one answer: it may be asked of two engines at once. Absent: no. */
  readonly interactive?: boolean;
  /** `Engine.accept` has taken it: it is not refused for a full queue any more. Absent: no. */
  readonly accepted?: boolean;
}

/** The end of an input that an engine has written itself. Its tokens are those of the text by itself, not of what surrounds it. */
export interface Answered {
  /** UTF-16 units at the end of the input, at least 1. */
  readonly units: number;
  /** Its ids. Not known, or one of them was shown in part: who has the vocabulary sees whether they spell it. */
  readonly tokens?: readonly number[];
  /** Whether the request asked for a cut word before it to be finished; absent: as the weights prefer. */
  readonly tokenHealing?: boolean;
}

/**
 * Sampling of requests that do not choose, by whose wish it is. `samplingOf` lays one over the other for an engine that
 * holds the weights itself; one elsewhere knows what suits its weights, and is told the wishes only.
 */
export interface SamplingDefaults {
  /** What the catalogue, the weights or else this server recommend. */
  readonly model: Sampling;
  /** What the operator has configured; it goes over the model's. */
  readonly operator: Sampling;
}

/** Every field optional: absent means that nobody has said, never a value of ours. */
export interface Sampling {
  /** 0 is greedy. */
  readonly temperature?: number;
  /** (0, 1]. */
  readonly topP?: number;
  /** Candidates kept; 0 keeps all. */
  readonly topK?: number;
  /** [0, 1]: candidates less likely than this share of the likeliest are dropped; 0 keeps all. */
  readonly minP?: number;
  /** [-2, 2], over generated tokens. */
  readonly presencePenalty?: number;
  /** [-2, 2], over generated tokens. */
  readonly frequencyPenalty?: number;
  /** Greater than 0, over prompt and generated tokens; 1 is none. */
  readonly repetitionPenalty?: number;
  /** Same seed, same request: the same text, as far as the engine can. Absent: a fresh one per request. */
  readonly seed?: number;
  /** Added to the logits before anything else, by token id. */
  readonly logitBias?: ReadonlyMap<number, number>;
}

export interface Limits {
  /** Upper bound of returned tokens. Absent: what the context leaves. 0 only evaluates the prompt. */
  readonly maxTokens?: number;
  /** Before so many tokens nothing ends the answer but `maxTokens`, the context and a grammar. Absent: 0. */
  readonly minTokens?: number;
  /** No end token ends the answer, nor does what the layout of a gap ends it before. Absent: no. */
  readonly ignoreEnds?: boolean;
  /** Not empty strings; the match and all after it is left out. */
  readonly stopStrings: readonly string[];
  /** Token id sequences, each at least one id long. */
  readonly stopSequences: readonly (readonly number[])[];
  /** Longest input in tokens; beyond it the request is refused, or cut when `truncate` is set. */
  readonly maxInputTokens: number;
  /** Cut a too long input (prefix from the left, suffix from the right, never a marker) instead of refusing it. */
  readonly truncate: boolean;
}
