import type { Engine } from "../continuation/engine.ts";
import { isShown, type StreamPart } from "../continuation/output.ts";
import type { ContinuationRequest } from "../continuation/request.ts";
import { ServiceError } from "../errors.ts";
import type { EngineIdentity, EngineSpan, Tracing } from "./tracing.ts";

/** Where the figures of one engine go. */
export interface EngineObserver {
  firstText(identity: EngineIdentity, ms: number): void;
  /** @param outcome `ok`, `aborted` or an error code. */
  ended(identity: EngineIdentity, outcome: string): void;
}

export interface Observation {
  readonly identity: EngineIdentity;
  readonly observer: EngineObserver;
  readonly tracing: Tracing;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
}

/** The same engine, whose requests are counted and traced one by one. */
export function observedEngine(engine: Engine, observation: Observation): Engine {
  return {
    name: engine.name,
    model: (signal) => engine.model(signal),
    ...(engine.accept !== undefined && { accept: engine.accept.bind(engine) }),
    generate: (request, signal) => ({
      [Symbol.asyncIterator]: () => new ObservedStream(engine, request, signal, observation),
    }),
    health: () => engine.health(),
    stats: () => engine.stats(),
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}

/** Written out, since a generator would cost every part of every stream twice as much. */
class ObservedStream implements AsyncIterableIterator<StreamPart> {
  readonly #observation: Observation;
  readonly #signal: AbortSignal;
  readonly #parts: AsyncIterator<StreamPart>;
  readonly #span: EngineSpan | undefined;
  readonly #startedMs: number;
  #hasText = false;
  #isOver = false;

  constructor(engine: Engine, request: ContinuationRequest, signal: AbortSignal, observation: Observation) {
    this.#observation = observation;
    this.#signal = signal;
    this.#startedMs = observation.now();
    this.#span = observation.tracing.engine(observation.identity, request);
    const trace = this.#span?.context;
    const asked = trace === undefined ? request : { ...request, trace };
    this.#parts = engine.generate(asked, signal)[Symbol.asyncIterator]();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<StreamPart>> {
    return this.#parts.next().then(this.#said, this.#failed);
  }

  async return(): Promise<IteratorResult<StreamPart>> {
    try {
      return (await this.#parts.return?.()) ?? { done: true, value: undefined };
    } finally {
      this.#end("aborted");
    }
  }

  readonly #said = (next: IteratorResult<StreamPart>): IteratorResult<StreamPart> => {
    if (next.done === true) this.#end("ok");
    else {
      this.#span?.part(next.value);
      if (!this.#hasText && isShown(next.value)) {
        this.#hasText = true;
        const { observer, identity, now } = this.#observation;
        observer.firstText(identity, now() - this.#startedMs);
      }
    }
    return next;
  };

  readonly #failed = (error: unknown): never => {
    this.#end(outcomeOf(error, this.#signal), error);
    throw error;
  };

  #end(outcome: string, error?: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#observation.observer.ended(this.#observation.identity, outcome);
    this.#span?.end(outcome, error);
  }
}

function outcomeOf(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return "aborted";
  return error instanceof ServiceError ? error.code : "internal";
}
