/** What two clocks show when they are read, ms. */
export interface Clocks {
  readonly wallMs: number;
  /** Processor time that the process has used for steps. Reading it costs tens of microseconds. */
  readonly cpuMs: number;
}

/** Chooses the number of threads for the next step. */
export interface StepThreads {
  /** A step begins. Returns the threads it gets. */
  begin(now: Clocks): number;
  /** Age of a step from which `isCrowded` may say yes, ms. Nobody needs to look before: looking takes a core from the step. */
  readonly firstLookMs: number;
  /** Looks at a step that is running. True: it should be stopped and repeated with fewer threads. */
  isCrowded(now: Clocks): boolean;
  /** The step is over, and was not stopped. */
  end(now: Clocks): void;
}

const NOTHING: Clocks = { wallMs: 0, cpuMs: 0 };

/** Of the cores that threads could use, a part of each is lost to waking up, and this much of one to bursts of others. */
const USED_PART = 0.96;
const LOST_CORES = 0.3;
/** How often to look at a running step, from the first time on, ms. */
export const LOOK_MS = 20;
/** Least time of a running step, and of several, that says something, ms. Shorter bursts of others' work pass by themselves. */
const SETTLED = { stepMs: 100, windowMs: 500 } as const;
/** The same while a larger number is being tried, which should cost little when it fails. */
const TRIAL = { stepMs: 20, windowMs: 60 } as const;
/** Time until a larger number is tried again, ms; doubled each time that was too early. */
const MIN_REST_MS = 500;
const MAX_REST_MS = 16_000;
/** A number that did well for so long was not tried too early, ms. */
const LASTING_MS = 10_000;

/**
 * Chooses how many threads compute a step.
 *
 * They wait for each other hundreds of times in a step, each wait a busy loop that the system takes for work. Beside a busy
 * program it puts two of them on one core, and every wait then lasts until the time slice of the waiting one is over: 3 ms
 * instead of microseconds, so a step takes a hundred times as long. One thread has nobody to wait for.
 *
 * Busy loops use up all processor time there is. Threads that got less than their full time share the processor, however
 * fast or slow the step is. Then the number falls to the cores they had in fact, and rises again step by step.
 */
export class Threads implements StepThreads {
  readonly #most: number;
  #count: number;
  /** The number before a larger one is being tried. */
  #trialFrom: number | undefined;
  #begun = NOTHING;
  #window = NOTHING;
  #raisedMs = Number.NEGATIVE_INFINITY;
  #restMs = MIN_REST_MS;
  #nextTrialMs = 0;

  constructor(most: number) {
    this.#most = most;
    this.#count = most;
  }

  begin(now: Clocks): number {
    if (this.#trialFrom === undefined && this.#count < this.#most && now.wallMs >= this.#nextTrialMs) {
      this.#trialFrom = this.#count;
      this.#count = Math.min(this.#most, this.#count + Math.max(1, this.#count >> 2));
      this.#window = NOTHING;
    }
    if (this.#count > 1) this.#begun = { wallMs: now.wallMs, cpuMs: now.cpuMs };
    return this.#count;
  }

  get firstLookMs(): number {
    return this.#count === 1 ? Number.POSITIVE_INFINITY : this.#patience.stepMs;
  }

  isCrowded(now: Clocks): boolean {
    const spent = since(this.#begun, now);
    if (this.#count === 1 || spent.wallMs < this.#patience.stepMs || !this.#isShort(coresOf(spent))) return false;
    this.#lower(coresOf(spent), now);
    return true;
  }

  end(now: Clocks): void {
    if (this.#count === 1) return;
    const spent = since(this.#begun, now);
    const window = { wallMs: this.#window.wallMs + spent.wallMs, cpuMs: this.#window.cpuMs + spent.cpuMs };
    this.#window = window;
    if (window.wallMs < this.#patience.windowMs) return;
    this.#window = NOTHING;
    if (this.#isShort(coresOf(window))) this.#lower(coresOf(window), now);
    else if (this.#trialFrom !== undefined) this.#settle(now);
  }

  /** The threads share their cores with somebody. */
  #isShort(cores: number): boolean {
    return cores < USED_PART * this.#count - LOST_CORES;
  }

  get #patience() {
    return this.#trialFrom === undefined ? SETTLED : TRIAL;
  }

  #lower(cores: number, { wallMs }: Clocks): void {
    const isEarly = this.#trialFrom !== undefined || wallMs - this.#raisedMs < LASTING_MS;
    this.#restMs = isEarly ? Math.min(MAX_REST_MS, 2 * this.#restMs) : MIN_REST_MS;
    this.#count = this.#trialFrom ?? Math.min(this.#count - 1, Math.max(1, Math.round(cores)));
    this.#trialFrom = undefined;
    this.#window = NOTHING;
    this.#nextTrialMs = wallMs + this.#restMs;
  }

  #settle({ wallMs }: Clocks): void {
    this.#trialFrom = undefined;
    this.#raisedMs = wallMs;
    this.#nextTrialMs = wallMs;
  }
}

function since(earlier: Clocks, now: Clocks): Clocks {
  return { wallMs: now.wallMs - earlier.wallMs, cpuMs: now.cpuMs - earlier.cpuMs };
}

/** Cores that were busy on average. */
function coresOf({ wallMs, cpuMs }: Clocks): number {
  return cpuMs / wallMs;
}
