import type { Admission, Reservation } from "../accounts/meter.ts";
import type { ModelCard } from "../continuation/card.ts";
import { guessedPromptTokens } from "../continuation/estimate.ts";
import { type StreamPart, tokenCount, type Usage } from "../continuation/output.ts";
import type { ContinuationRequest } from "../continuation/request.ts";

/** What is reserved for an answer to which nobody knows a bound; its usage has the last word. */
const UNBOUNDED_ANSWER_TOKENS = 4096;

/** Why an engine is told to stop when its answer is over, or has been left. To make an error for each takes long. */
const OVER = new Error("the answer is over");

/** The most that requests may use, about: the prompts guessed from their length, the answers at their bound. */
export function tokensAskedFor(
  requests: readonly ContinuationRequest[],
  card: ModelCard,
): Pick<Admission, "promptTokens" | "completionTokens"> {
  const sum = (of: (request: ContinuationRequest) => number): number =>
    requests.reduce((total, request) => total + of(request), 0);
  const mostTokens = Number.isFinite(card.maxOutputTokens) ? card.maxOutputTokens : UNBOUNDED_ANSWER_TOKENS;
  return {
    promptTokens: sum(({ input }) => Math.min(card.maxInputTokens, guessedPromptTokens(input))),
    completionTokens: sum(({ limits, choices }) => choices * (limits.maxTokens ?? mostTokens)),
  };
}

/**
 * A stream of an engine, counted in a reservation to its very end: what is computed for a reader that has left is computed
 * all the same, and the engine's last word says how much that was.
 */
export class MeteredStream {
  readonly #open: (signal: AbortSignal) => AsyncIterable<StreamPart>;
  readonly #signal: AbortSignal;
  readonly #reservation: Reservation;
  #hasStarted = false;
  #usage: Usage | undefined;
  #accepting: Promise<void> | undefined;
  #ended: Promise<void> = Promise.resolve();

  /** @param open called once, when the parts are first asked for. @param signal of the call. */
  constructor(open: (signal: AbortSignal) => AsyncIterable<StreamPart>, signal: AbortSignal, reservation: Reservation) {
    this.#open = open;
    this.#signal = signal;
    this.#reservation = reservation;
  }

  /** The engine's own count, once it has said it. */
  get usage(): Usage | undefined {
    return this.#usage;
  }

  /** False: as far as is known, nothing was computed. */
  get hasCost(): boolean {
    if (this.#usage === undefined) return this.#hasStarted;
    return this.#usage.promptTokens + this.#usage.completionTokens > 0;
  }

  /** Call it once. */
  async *parts(): AsyncGenerator<StreamPart> {
    const over = new AbortController();
    const iterator = this.#open(AbortSignal.any([this.#signal, over.signal]))[Symbol.asyncIterator]();
    let end = (): void => undefined;
    this.#ended = new Promise((resolve) => {
      end = resolve;
    });
    try {
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
        const counting = this.#count(next.value);
        if (counting !== undefined) await counting; // not even a moment for most parts: there are many
        yield next.value;
        this.#reservation.delivered();
      }
    } finally {
      over.abort(OVER);
      await this.#readOn(iterator);
      end();
    }
  }

  /** Resolves when nothing more will be counted, or after `limitMs`: an engine may fail to notice that it should stop. */
  async ended(limitMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, limitMs);
    });
    await Promise.race([this.#ended, limit]);
    clearTimeout(timer);
  }

  #count(part: StreamPart): Promise<void> | undefined {
    if (part.type === "start") {
      this.#hasStarted = true;
      this.#accepting = this.#reservation.accepted(part.promptTokens);
      return undefined;
    }
    if (this.#accepting === undefined) {
      this.#note(part);
      return undefined;
    }
    // The prompt is evaluated meanwhile, so this rarely waits.
    return this.#accepting.then(() => {
      this.#accepting = undefined;
      this.#note(part);
    });
  }

  #note(part: StreamPart): void {
    if (part.type === "delta") this.#reservation.produced(tokenCount(part));
    if (part.type !== "usage") return;
    this.#usage = part.usage;
    this.#reservation.used(part.usage);
  }

  /** Nobody waits for these parts, and how the stream ends has been told. */
  async #readOn(iterator: AsyncIterator<StreamPart>): Promise<void> {
    try {
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
        await this.#count(next.value);
      }
    } catch {
      // The abort, or the failure that the reader has been told.
    }
  }
}
