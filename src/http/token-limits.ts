import type { StreamPart } from "../continuation/output.ts";
import type { Call, CutBy } from "./call.ts";

/** Milliseconds; a limit of 0 never passes. */
export interface TokenTimes {
  /** Since the call arrived. */
  readonly spentMs: number;
  /** For the first token since the call arrived, and for the first of a further choice while none is being written. */
  readonly firstMs: number;
  /** Between two tokens. */
  readonly idleMs: number;
}

/** Cuts the call when the first token, or the next one, is too long in coming. A slow reader is not the engine's fault. */
export class TokenLimits {
  readonly #call: Call;
  readonly #times: TokenTimes;
  /** Choices that have begun and not ended. */
  readonly #open = new Set<number>();
  #hasBegun = false;
  /** Absent: nothing is waited for, and the timer that still runs means nothing. */
  #waitingFor: CutBy | undefined;
  #timer: NodeJS.Timeout | undefined;
  #timerMs = 0;

  constructor(call: Call, times: TokenTimes) {
    this.#call = call;
    this.#times = times;
    const { firstMs, spentMs } = times;
    this.#wait(firstMs === 0 ? 0 : Math.max(1, firstMs - spentMs), "first_token");
  }

  /** The engine has said something. */
  came(part: StreamPart): void {
    if (part.type === "delta") this.#open.add(part.choice);
    if (part.type === "finish") this.#open.delete(part.choice);
    // An answer without a token, or the scores of a prompt, show as well that the engine is at work.
    this.#hasBegun ||= part.type !== "start";
    if (this.#hasBegun) this.#waitingFor = undefined;
  }

  /** The reader has taken it, and the next is waited for. */
  taken(): void {
    if (!this.#hasBegun) return;
    if (this.#open.size > 0) this.#wait(this.#times.idleMs, "between_tokens");
    else this.#wait(this.#times.firstMs, "first_token");
  }

  /** Nothing more is waited for. */
  close(): void {
    this.#waitingFor = undefined;
    clearTimeout(this.#timer);
  }

  /** Starts a timer of the same length again: to make one for each token takes longer. */
  #wait(ms: number, by: CutBy): void {
    this.#waitingFor = ms > 0 ? by : undefined;
    if (ms > 0 && ms === this.#timerMs) {
      this.#timer?.refresh();
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = ms > 0 ? setTimeout(() => this.#passed(), ms) : undefined;
    this.#timerMs = ms;
  }

  #passed(): void {
    if (this.#waitingFor !== undefined) this.#call.cut(this.#waitingFor);
  }
}
