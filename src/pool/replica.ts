import type { Engine } from "../continuation/engine.ts";
import { hash } from "./policy.ts";

/** Failures in a row after which a replica is left alone, and for how long: at first, and at most. */
const MOST_FAILURES = 3;
const FIRST_BREAK_MS = 1_000;
const MOST_BREAK_MS = 30_000;
/** Milliseconds in which a replica that came back gets to its whole share, and the part that it begins with. */
const WARM_UP_MS = 10_000;
const FIRST_PART = 0.1;

/** One of several engines that answer alike, with what is known of how it does. */
export class Replica {
  readonly engine: Engine;
  /** Of its name, which is the same in every process. */
  readonly place: number;
  readonly #weight: number;
  readonly #now: () => number;
  #running = 0;
  #failures = 0;
  #allFailures = 0;
  /** Times in a row that another one had text while this one was silent. */
  #outrun = 0;
  #brokenUntilMs = 0;
  /** Since when it is there again. */
  #backAtMs = Number.NEGATIVE_INFINITY;
  #wasAway = false;
  #returns = 0;

  /** @param now milliseconds of a clock that only goes forward. */
  constructor(engine: Engine, weight: number, now: () => number) {
    this.engine = engine;
    this.place = hash(engine.name) | 0;
    this.#weight = weight;
    this.#now = now;
  }

  get name(): string {
    return this.engine.name;
  }

  /** Another number when it may have lost what it had evaluated: it was away, or its process is another one. */
  get incarnation(): number {
    return this.#returns + (this.engine.stats().restarts ?? 0);
  }

  get running(): number {
    return this.#running;
  }

  /** Requests that it did not answer, or broke off, since the start. */
  get failures(): number {
    return this.#allFailures;
  }

  /** It failed too often in a row, and has not answered since. */
  get isBroken(): boolean {
    return this.#failures >= MOST_FAILURES;
  }

  /** Worth asking. One that has failed too often is tried with one request when its break is over. */
  get isUp(): boolean {
    const { state } = this.engine.health();
    const isThere = state !== "failed" && state !== "stalled";
    if (!isThere) this.#wasAway = true;
    else if (this.#wasAway && this.#failures === 0) this.#comeBack();
    if (!isThere) return false;
    if (!this.isBroken) return true;
    return this.#now() >= this.#brokenUntilMs && this.#running === 0;
  }

  /** Its weight, and less of it while it warms up. */
  get share(): number {
    if (this.#backAtMs === Number.NEGATIVE_INFINITY) return this.#weight;
    const part = (this.#now() - this.#backAtMs) / WARM_UP_MS;
    return this.#weight * Math.min(1, Math.max(FIRST_PART, part));
  }

  begin(): void {
    this.#running += 1;
  }

  end(): void {
    this.#running -= 1;
  }

  succeeded(): void {
    this.#outrun = 0;
    if (this.isBroken) this.#comeBack();
    this.#failures = 0;
  }

  /** Another one had text first. Once it may be slow; a replica that hangs is never heard to fail, since nobody waits for it. */
  outrun(): void {
    this.#outrun += 1;
    if (this.#outrun < MOST_FAILURES) return;
    this.#failures = Math.max(this.#failures, MOST_FAILURES - 1);
    this.failed();
  }

  /** It did not answer, or broke off. */
  failed(): void {
    this.#failures += 1;
    this.#allFailures += 1;
    if (!this.isBroken) return;
    const breakMs = Math.min(MOST_BREAK_MS, FIRST_BREAK_MS * 2 ** (this.#failures - MOST_FAILURES));
    this.#brokenUntilMs = this.#now() + breakMs;
  }

  #comeBack(): void {
    if (this.#wasAway) this.#returns += 1;
    this.#wasAway = false;
    this.#backAtMs = this.#now();
  }
}
