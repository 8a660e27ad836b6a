import type { LocalStats } from "../../../continuation/engine.ts";
import type { GapRule } from "../../../continuation/gap/gap-end.ts";
import type { EchoPart, FinishReason, TokenLogprob } from "../../../continuation/output.ts";
import type { LoweredGap, LoweredPrompt } from "../../../continuation/prompt.ts";
import type { Limits, Sampling } from "../../../continuation/request.ts";
import type { ErrorCode } from "../../../errors.ts";
import type { ModelFacts } from "./model-facts.ts";
import type { Progress } from "./progress.ts";

/** What the server and the engine process say to each other; plain JSON. */
export type ToEngine = LoadMessage | GenerateMessage | AbortMessage | FlowMessage | PingMessage;
export type FromEngine =
  | ReadyMessage
  | FailedMessage
  | AcceptedMessage
  | RefusedMessage
  | AbortedMessage
  | EchoMessage
  | StepMessage;
/** Besides, how it is getting on. */
export type Sign = ProgressMessage | PongMessage;

export interface LoadMessage {
  readonly type: "load";
  readonly path: string;
  readonly options: EngineOptions & { readonly slotTokens: number };
  /** Folder of the libraries to use; absent: those of the installed platform package. */
  readonly libraries?: string;
  /** Layers that go to a GPU; absent: all, where there is one. */
  readonly gpuLayers?: number;
}

export interface EngineOptions {
  readonly slots: number;
  /** Tokens per slot; absent: the smaller of 8192 and what the model was trained for, halved until it fits the memory budget. */
  readonly slotTokens?: number;
  /** Absent: the physical cores, less one for the server where there are four or more. */
  readonly threads?: number;
  /** Each row decoded alone, prompts in fixed slices from position 0: same request and seed, same text. Slower. */
  readonly deterministic: boolean;
  /** Requests waiting for a slot; one more is refused. */
  readonly queueLimit: number;
}

/** Requests that a person waits for go before those that a program waits for. */
export type Lane = "interactive" | "batch";

export interface GenerateMessage {
  readonly type: "generate";
  readonly id: number;
  readonly lane: Lane;
  readonly prompt: Omit<LoweredPrompt, "gap">;
  /** The gap that the answer fills and is to end with. */
  readonly gap?: Omit<LoweredGap, "byDefault">;
  readonly limits: Limits;
  readonly ends: readonly number[];
  readonly sampling: Omit<Sampling, "logitBias" | "seed">;
  readonly logitBias: readonly (readonly [id: number, bias: number])[];
  /** Decimal, below 2^64. Choice i draws with a seed derived from it. */
  readonly seed: string;
  readonly logprobs?: number;
  readonly promptLogprobs: boolean;
  /** Back up over the last tokens of the prompt and generate them anew, where the prompt says that it may. */
  readonly healing: boolean;
  readonly speculation: boolean;
  readonly grammar?: GrammarMessage;
  /**
   * Per choice, the tokens it has generated already (in an earlier process), or null when it has finished. Without choices
   * the request is accepted or refused, and that is all.
   */
  readonly choices: readonly (readonly number[] | null)[];
  /** The request was accepted by an earlier process: no queue limit. */
  readonly resumed: boolean;
  /** It was accepted as one of several: no queue limit. */
  readonly admitted?: boolean;
}

export interface GrammarMessage {
  /** GBNF with a rule `root`. */
  readonly source: string;
  /** The beginning of what it matches: the assistant prefix, or "". */
  readonly prefix: string;
}

export interface AbortMessage {
  readonly type: "abort";
  readonly id: number;
}

/** A slow reader: no more steps of this request until it has caught up. */
export interface FlowMessage {
  readonly type: "flow";
  readonly id: number;
  readonly paused: boolean;
}

/** Answered at once, whatever the process is doing, unless it hangs. */
export interface PingMessage {
  readonly type: "ping";
}

export interface PongMessage {
  readonly type: "pong";
  readonly progress: Progress;
}

export interface ReadyMessage {
  readonly type: "ready";
  readonly facts: ModelFacts;
  readonly slots: number;
  readonly slotTokens: number;
  readonly threads: number;
  /** For people: CPU variant, back ends, memory. */
  readonly runsOn: string;
  /** A GPU library was to be used and no GPU could be; how that came about, for people. */
  readonly fellBack?: string;
}

/** While loading; at most once per hundredth. */
export interface ProgressMessage {
  readonly type: "progress";
  /** From 0 to 1. */
  readonly fraction: number;
}

export interface FailedMessage {
  readonly type: "failed";
  readonly message: string;
}

export interface AcceptedMessage {
  readonly type: "accepted";
  readonly id: number;
  readonly promptTokens: number;
  readonly truncatedTokens: number;
}

export interface RefusedMessage {
  readonly type: "refused";
  readonly id: number;
  readonly code: ErrorCode;
  readonly message: string;
  readonly param?: string;
  readonly retryAfterMs?: number;
}

export interface EchoMessage {
  readonly type: "echo";
  readonly id: number;
  readonly tokens: EchoPart["tokens"];
}

/** The answer to every `abort`: nothing more comes of this request. What its choices used that have not finished. */
export interface AbortedMessage {
  readonly type: "aborted";
  readonly id: number;
  /** From 0 to 1: how much of the prompt was evaluated, or spared by a cache. */
  readonly promptShare: number;
  readonly completionTokens: number;
}

/** Everything one step of the scheduler brought, in one message. */
export interface StepMessage {
  readonly type: "step";
  /** Requests in the step that is running now. */
  readonly running: readonly number[];
  readonly outputs: readonly StepOutput[];
  readonly stats: SchedulerStats;
}

export interface StepOutput {
  readonly id: number;
  readonly choice: number;
  /** Tokens generated by this step, shown or not; what a resumed request starts from. */
  readonly generated: readonly number[];
  readonly text: string;
  readonly shown: readonly number[];
  /** So many of `shown`, the first, are the thought before the answer. Absent: 0. */
  readonly hidden?: number;
  /** One per entry of `generated` that is not wholly text taken back from the prompt. */
  readonly logprobs?: readonly TokenLogprob[];
  /** Tokens guessed for this step, and those of them in `generated`. */
  readonly drafted?: { readonly proposed: number; readonly accepted: number };
  /** Prompt tokens that needed no evaluation; on the first output of a choice. */
  readonly cachedTokens?: number;
  readonly finished?: { readonly reason: FinishReason; readonly completionTokens: number; readonly rule?: GapRule };
}

/** The part of `LocalStats` that one process can count. */
export type SchedulerStats = Omit<LocalStats, "restarts" | "hangs" | "resumed" | "blamed">;
