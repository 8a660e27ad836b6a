import { orAborted } from "../../continuation/abort.ts";
import type { Health } from "../../continuation/engine.ts";
import { ServiceError } from "../../errors.ts";

export interface Watched<Peer> {
  /** Finds out all about the peer. */
  readonly probe: (signal: AbortSignal) => Promise<Peer>;
  /** True: it is still the one that was probed. Throws when it does not answer. */
  readonly isSame: (peer: Peer, signal: AbortSignal) => Promise<boolean>;
  /** One line for people. */
  readonly describe: (peer: Peer) => string;
  /** For logs. */
  readonly report: (event: string, level: "info" | "warn") => void;
  /** Calls back once after so many milliseconds, unless the returned function is called before. */
  readonly after: (ms: number, callback: () => void) => () => void;
  /** Milliseconds between two looks at a peer that answers. */
  readonly lookMs: number;
}

/** Milliseconds until a peer that does not answer is asked again: the first time, and at most. */
const FIRST_RETRY_MS = 500;
const MOST_RETRY_MS = 30_000;

type State<Peer> =
  | { readonly is: "unknown" }
  | { readonly is: "known"; readonly peer: Peer; readonly health: Health }
  | { readonly is: "away"; readonly error: unknown };

/**
 * What is known of a peer that comes and goes as it likes: probed at the start, after it has failed, and when another one
 * has come up in its place. Nobody waits for one that was just found to be away.
 */
export class PeerWatch<Peer> {
  readonly #watched: Watched<Peer>;
  readonly #closed = new AbortController();
  #state: State<Peer> = { is: "unknown" };
  #running: Promise<Peer> | undefined;
  #failures = 0;
  #looking = false;
  #cancel: () => void = () => {};

  constructor(watched: Watched<Peer>) {
    this.#watched = watched;
  }

  /** The first probe. Resolves when it is known how it ended. */
  async start(): Promise<void> {
    await this.#probe().catch(() => undefined);
  }

  /** Rejects with why it cannot be used. One that was away is asked anew: it may be back before its next turn. */
  async peer(signal: AbortSignal): Promise<Peer> {
    if (this.#state.is === "known") return this.#state.peer;
    return orAborted(this.#probe(), signal);
  }

  /** What is known at this moment. */
  get known(): Peer | undefined {
    return this.#state.is === "known" ? this.#state.peer : undefined;
  }

  /** Something suggests that the peer is not there, or is another one. */
  doubt(): void {
    if (this.#state.is !== "known" || this.#looking || this.#closed.signal.aborted) return;
    this.#looking = true;
    void this.#look().finally(() => {
      this.#looking = false;
    });
  }

  health(): Health {
    const state = this.#state;
    if (state.is === "known") return state.health;
    if (state.is === "unknown") return { state: "loading", detail: "asking what it can do" };
    const reason = state.error instanceof Error ? state.error.message : String(state.error);
    return { state: "failed", detail: `${reason}; it is asked again` };
  }

  close(): void {
    this.#cancel();
    this.#closed.abort(new ServiceError("shutting_down", "the server is shutting down"));
  }

  #probe(): Promise<Peer> {
    this.#running ??= this.#probed().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #probed(): Promise<Peer> {
    this.#cancel();
    const before = this.#state.is;
    try {
      const peer = await this.#watched.probe(this.#closed.signal);
      // Described once: a pool asks for the health of every replica with every request.
      const detail = this.#watched.describe(peer);
      this.#state = { is: "known", peer, health: { state: "ready", detail } };
      this.#failures = 0;
      this.#watched.report(`is ready: ${detail}`, "info");
      this.#again(this.#watched.lookMs, () => this.#look());
      return peer;
    } catch (error) {
      if (this.#closed.signal.aborted) throw error;
      this.#state = { is: "away", error };
      const reason = error instanceof Error ? error.message : String(error);
      if (before !== "away") this.#watched.report(`cannot be used: ${reason}`, "warn");
      const wait = Math.min(MOST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures);
      this.#failures += 1;
      this.#again(wait, () => this.#probe());
      throw error;
    }
  }

  /** Anything but the same peer is probed. */
  async #look(): Promise<void> {
    const peer = this.known;
    if (peer === undefined) return;
    this.#cancel();
    const isSame = await this.#watched.isSame(peer, this.#closed.signal).catch(() => false);
    if (this.#closed.signal.aborted || this.known !== peer) return;
    if (isSame) return this.#again(this.#watched.lookMs, () => this.#look());
    await this.#probe().catch(() => undefined);
  }

  #again(ms: number, act: () => Promise<unknown>): void {
    this.#cancel();
    if (this.#closed.signal.aborted) return;
    this.#cancel = this.#watched.after(ms, () => void act().catch(() => undefined));
  }
}
