import { MAX_SLICE } from "../wire/sizes.ts";

/** How long a step may take while somebody's answer is being generated: the longest stall a prompt causes. */
const STREAMING_STEP_MS = 250;
/** How long if only prompts are being evaluated: the longest wait of a new request before its turn. */
const PROMPT_STEP_MS = 400;
/** How long if no new request is expected. One that arrives anyway stops the step, and the work of the step is lost. */
const CALM_STEP_MS = 3_000;
/** How long more new requests are expected after one had to stop a step. */
const RESTLESS_MS = 2_000;

/** Below this many tokens the cores idle between steps. */
const MIN_SLICE = 64;

/** Slice of a machine nobody has measured yet. */
const FIRST_SLICE = 128;

/** Steps with fewer rows say little about the speed of prompts. */
const TELLING_ROWS = 64;
/** Weight of the newest measurement. */
const NEWEST = 0.5;

/** How many prompt tokens one step takes, so that a step lasts about as long as it may on this machine. */
export class SliceSizer {
  #msPerToken: number | undefined;
  #disturbedMs = Number.NEGATIVE_INFINITY;

  /** @param ms how long a step of this many rows took. */
  observe(rows: number, ms: number): void {
    if (rows < TELLING_ROWS) return;
    const now = ms / rows;
    this.#msPerToken = this.#msPerToken === undefined ? now : NEWEST * now + (1 - NEWEST) * this.#msPerToken;
  }

  /** @param streaming somebody's answer is being generated. */
  tokens({ streaming, nowMs }: { readonly streaming: boolean; readonly nowMs: number }): number {
    const isCalm = nowMs - this.#disturbedMs > RESTLESS_MS;
    return this.#lasting(streaming ? STREAMING_STEP_MS : isCalm ? CALM_STEP_MS : PROMPT_STEP_MS);
  }

  /** Whether a step of `tokens` prompt tokens is too long for a new request to wait for. */
  isLong(tokens: number): boolean {
    return tokens > this.#lasting(PROMPT_STEP_MS);
  }

  /** A newcomer had to stop a step; more are expected. */
  disturbed(nowMs: number): void {
    this.#disturbedMs = nowMs;
  }

  #lasting(ms: number): number {
    if (this.#msPerToken === undefined) return FIRST_SLICE;
    return Math.min(MAX_SLICE, Math.max(MIN_SLICE, Math.floor(ms / this.#msPerToken)));
  }
}
