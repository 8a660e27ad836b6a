import type { Progress } from "../wire/progress.ts";

/** `doubtful`: half of the time has passed in which there should have been progress; `hung`: all of it. */
export type Condition = "well" | "doubtful" | "hung";

/** Least time without progress that means anything, ms. An overloaded machine leaves a process without its turn for seconds. */
const FLOOR_MS = 10_000;
/** A step may take this many times its usual duration. */
const PATIENCE = 30;
/** Longest time between two questions, ms. */
const MAX_PERIOD_MS = 1_000;
/** Questions asked within the shortest bound. */
const QUESTIONS = 8;

/**
 * Judges whether an engine process still works. Two things can stop: the process as a whole, which then answers no
 * question, and the step it works on, while it still answers.
 *
 * Time counts only while the server itself ran. When the machine slept, or the server was stopped or kept from its turn, its
 * clock jumps, and nobody else got anything done either: between two looks no more than twice the period counts.
 */
export class Watchdog {
  /** How often to look, ms. */
  readonly periodMs: number;
  readonly #maximumMs: number;
  #lookedMs: number;
  #silentMs = 0;
  #stuckMs = 0;
  #progress: Progress = { count: 0, activity: "starting" };

  /** @param maximumMs longest time without progress, whatever the speed; infinite: nothing is ever judged to hang. */
  constructor(maximumMs: number, nowMs: number) {
    this.#maximumMs = maximumMs;
    this.#lookedMs = nowMs;
    this.periodMs = Math.min(MAX_PERIOD_MS, Math.ceil(maximumMs / QUESTIONS));
  }

  /** The process has answered. */
  heard(progress: Progress): void {
    const goesOn = progress.count !== this.#progress.count || progress.activity === undefined;
    this.#progress = progress;
    this.#silentMs = 0;
    if (goesOn) this.#stuckMs = 0;
  }

  look(nowMs: number): Condition {
    const passed = Math.min(Math.max(0, nowMs - this.#lookedMs), 2 * this.periodMs);
    this.#lookedMs = nowMs;
    this.#silentMs += passed;
    this.#stuckMs += passed;
    const part = this.#waitedMs / this.#boundMs;
    if (part >= 1) return "hung";
    return part >= 0.5 ? "doubtful" : "well";
  }

  /** For people: what there was no progress in, and for how long. */
  get finding(): string {
    const { activity = "idle", expectedMs } = this.#progress;
    const usual = expectedMs === undefined ? "" : ` (usually ${Math.ceil(expectedMs)} ms)`;
    const silence = this.#silentMs >= this.#boundMs / 2 ? "it does not answer" : "it answers";
    return `no progress for ${(this.#waitedMs / 1000).toFixed(1)} s, ${silence}; last seen: ${activity}${usual}`;
  }

  get #waitedMs(): number {
    return this.#progress.activity === undefined ? this.#silentMs : Math.max(this.#silentMs, this.#stuckMs);
  }

  get #boundMs(): number {
    if (this.#maximumMs === Number.POSITIVE_INFINITY) return this.#maximumMs;
    const { activity, expectedMs = activity === undefined ? 0 : Number.POSITIVE_INFINITY } = this.#progress;
    return Math.min(this.#maximumMs, Math.max(FLOOR_MS, PATIENCE * expectedMs));
  }
}
