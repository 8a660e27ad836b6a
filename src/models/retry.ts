/** Trying again, with growing waits, as long as that makes sense. */
import { setTimeout as wait } from "node:timers/promises";
import { ModelFailure } from "./failure.ts";
import { TransferError } from "./transport.ts";

export interface Patience {
  /** Attempts in a row that may bring nothing. */
  readonly attempts: number;
  /** Wait after the first failure, milliseconds; each further failure in a row doubles it, up to `maxWaitMs`. */
  readonly firstWaitMs: number;
  readonly maxWaitMs: number;
  /** Resolves after `ms`, rejects with `signal.reason` when aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export const PATIENCE: Patience = {
  attempts: 8,
  firstWaitMs: 250,
  maxWaitMs: 20_000,
  sleep: async (ms, signal) => {
    try {
      await wait(ms, undefined, { signal });
    } catch {
      throw signal.reason; // the only reason for which a wait ends early
    }
  },
};

/** A server that asks for more than this is not waited for: the person should decide, milliseconds. */
const MAX_ASKED_WAIT_MS = 10 * 60_000;

/** Below this nobody needs to be told of a wait, milliseconds. */
const SILENT_WAIT_MS = 2000;

export interface RetryOptions {
  readonly patience: Patience;
  /** A sentence for the person, before a longer wait. */
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Failures in a row without anything gained. */
export class Strikes {
  readonly #options: RetryOptions;
  #count = 0;

  constructor(options: RetryOptions) {
    this.#options = options;
  }

  /** Something was gained: the count starts again. */
  clear(): void {
    this.#count = 0;
  }

  /** Returns when the next attempt may start. Throws what is final, as `ModelFailure` with what to do. */
  async strike(error: unknown): Promise<void> {
    const { patience, say, signal } = this.#options;
    if (!(error instanceof TransferError)) throw error;
    if (!error.isTransient) throw new ModelFailure(error.message);
    this.#count += 1;
    const asked = error.retryAfterMs ?? 0;
    if (asked > MAX_ASKED_WAIT_MS) {
      throw new ModelFailure(
        `${error.message} and asks to wait ${Math.ceil(asked / 60_000)} minutes; run the same command again then`,
      );
    }
    if (this.#count >= patience.attempts) {
      throw new ModelFailure(
        `${error.message}; gave up after ${this.#count} attempts in a row. Run the same command again later to go on`,
      );
    }
    const backoff = Math.min(patience.maxWaitMs, patience.firstWaitMs * 2 ** (this.#count - 1));
    // Spread by up to a quarter: connections that were cut together need not come back together.
    const waitMs = Math.max(asked, backoff * (1 + Math.random() / 4));
    if (waitMs >= SILENT_WAIT_MS) say(`${error.message}; trying again in ${Math.ceil(waitMs / 1000)} s`);
    await patience.sleep(waitMs, signal);
  }
}

/** Repeats `attempt` until it succeeds or its failure is final. */
export async function withRetries<T>(options: RetryOptions, attempt: () => Promise<T>): Promise<T> {
  const strikes = new Strikes(options);
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      await strikes.strike(error);
    }
  }
}
