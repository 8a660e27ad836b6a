import type { ServerResponse } from "node:http";
import { ServiceError } from "../errors.ts";

/** Who or what ended a call before its engine did. */
export type CutBy = "client_left" | "stalled_reader" | "time_limit" | "first_token" | "between_tokens" | "shutdown";

/** The reason of a call's signal. */
export class Cut extends Error {
  override readonly name = "Cut";
  readonly by: CutBy;

  constructor(by: CutBy) {
    super(`the call was cut: ${by}`);
    this.by = by;
  }

  /** What the client is told; undefined when there is nobody left to tell. */
  toServiceError(): ServiceError | undefined {
    if (this.by === "client_left" || this.by === "stalled_reader") return undefined;
    if (this.by === "shutdown") return shuttingDown();
    return new ServiceError("request_timeout", "Request timed out, please try again later.", { cause: this });
  }
}

export function shuttingDown(): ServiceError {
  return new ServiceError("shutting_down", "The server is shutting down, please try again later.", {
    retryAfterMs: 5_000,
  });
}

/**
 * One call from its socket to its engine, with the one signal that everything working for it watches: it aborts, with a
 * `Cut` as its reason, when the client leaves, a time limit passes, or the server stops.
 */
export class Call {
  readonly #controller = new AbortController();
  readonly #timers = new Set<NodeJS.Timeout>();
  #isDelivered = false;

  constructor(response: ServerResponse) {
    const { socket } = response;
    if (response.destroyed || socket?.destroyed === true) this.cut("client_left");
    // A response whose socket dies says "finish" all the same (Node 20), so the socket is asked, before Node lets go of it.
    response.prependOnceListener("finish", () => {
      this.#isDelivered = socket?.destroyed !== true;
    });
    response.once("close", () => {
      if (!this.#isDelivered) this.cut("client_left");
    });
  }

  /** The whole answer has left this process. */
  get isDelivered(): boolean {
    return this.#isDelivered;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Undefined while nothing has cut the call. */
  get cutBy(): CutBy | undefined {
    return this.signal.reason instanceof Cut ? this.signal.reason.by : undefined;
  }

  /** The first one counts. */
  cut(by: CutBy): void {
    this.#controller.abort(new Cut(by));
  }

  /** Cuts the call after `limitMs`, 0 being never, unless the returned function is called before. */
  limit(limitMs: number, by: CutBy): () => void {
    if (limitMs === 0) return () => undefined;
    const timer = setTimeout(() => this.cut(by), limitMs);
    this.#timers.add(timer);
    return () => {
      clearTimeout(timer);
      this.#timers.delete(timer);
    };
  }

  /** Forgets the time limits; call when the answer is complete, though it may not have left yet. */
  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}

/**
 * The same parts until `signal` aborts; then throws its reason at once, however long the engine takes to notice.
 */
export async function* untilAborted<T>(parts: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = parts[Symbol.asyncIterator]();
  // One listener for all parts: to come and go with each would take longer than everything else here.
  let giveUp = (): void => undefined;
  const abort = (): void => giveUp();
  signal.addEventListener("abort", abort, { once: true });
  try {
    for (;;) {
      const next = await new Promise<IteratorResult<T>>((resolve, reject) => {
        giveUp = () => reject(signal.reason);
        if (signal.aborted) giveUp();
        iterator.next().then(resolve, reject);
      });
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", abort);
    const returned = Promise.resolve(iterator.return?.());
    // After an abort the engine unwinds by itself, and what fails there was never part of the answer.
    if (signal.aborted) returned.catch(() => undefined);
    else await returned;
  }
}
