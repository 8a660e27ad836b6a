import type { Store } from "../db/schema.ts";
import { isStoreAway } from "./failure.ts";
import { type NodeIdentity, see } from "./nodes.ts";

/** Milliseconds for which an answer holds: whoever asks often costs the store one small write in this time. */
const HOLDS_MS = 1_000;

/** Milliseconds to wait for the store. Whoever asks whether a server is ready waits a few seconds at most. */
const ANSWER_WITHIN_MS = 2_000;

export interface StoreProbeOptions {
  readonly store: Store;
  readonly node: NodeIdentity;
  /** Epoch milliseconds, an integer. */
  readonly now: () => number;
  /** Milliseconds to wait for the store. Default: `ANSWER_WITHIN_MS`. */
  readonly answerWithinMs?: number;
}

/** Whether the store takes what every call needs of it: a write. */
export class StoreProbe {
  readonly #options: StoreProbeOptions;
  #asked: { readonly atMs: number; readonly obstacle: Promise<string | undefined> } | undefined;
  #isWaiting = false;

  constructor(options: StoreProbeOptions) {
    this.#options = options;
  }

  /** Why the store cannot be used at this moment, for people; undefined: it can. */
  async obstacle(): Promise<string | undefined> {
    const nowMs = this.#options.now();
    // A store that hangs is asked once, not once per call: each question would hold a connection.
    if (this.#asked === undefined || (!this.#isWaiting && nowMs - this.#asked.atMs >= HOLDS_MS)) {
      this.#asked = { atMs: nowMs, obstacle: this.#try(nowMs) };
    }
    const { answerWithinMs = ANSWER_WITHIN_MS } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(resolve, answerWithinMs, `the database does not answer within ${answerWithinMs} ms`);
    });
    try {
      return await Promise.race([this.#asked.obstacle, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** This node's sign of life: the smallest write there is, and one that the account makes anyway. */
  async #try(nowMs: number): Promise<string | undefined> {
    this.#isWaiting = true;
    try {
      await see(this.#options.store, this.#options.node, nowMs);
      return undefined;
    } catch (error) {
      if (isStoreAway(error)) return error.message;
      throw error;
    } finally {
      this.#isWaiting = false;
    }
  }
}
