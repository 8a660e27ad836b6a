import type { Engine, EngineModel, EngineStats, Health } from "../continuation/engine.ts";
import type { StreamPart } from "../continuation/output.ts";
import type { ContinuationRequest } from "../continuation/request.ts";
import { resumed } from "../continuation/resume.ts";
import { type ErrorCode, ServiceError } from "../errors.ts";
import { type Beginning, beginningOf } from "./beginning.ts";
import { POLICIES, type PolicyName } from "./policy.ts";
import { pooledModel } from "./pooled-model.ts";
import { PrefixIndex } from "./prefix-index.ts";
import { Replica } from "./replica.ts";
import { Said } from "./said.ts";

export interface PoolOptions {
  /** The name that callers use. */
  readonly name: string;
  /** At least one; all serve the same weights. Who made the engines disposes of them. */
  readonly replicas: readonly { readonly engine: Engine; readonly weight: number }[];
  readonly policy: PolicyName;
  /** How often one answer goes on elsewhere after its first text. */
  readonly maxResumes: number;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  readonly report: (event: PoolEvent) => void;
}

/** A request went on with another replica. */
export interface PoolEvent {
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  /** Completion tokens that the reader had by then; 0: the other one began anew. */
  readonly sentTokens: number;
  readonly callId?: string;
}

export interface PoolStats {
  /** Requests that another replica began anew, and answers that another one went on with, since the start. */
  readonly retries: number;
  readonly resumes: number;
  readonly replicas: readonly { readonly name: string; readonly running: number; readonly isUp: boolean }[];
}

/** Why another replica may do better. */
const ELSEWHERE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ...(["model_unavailable", "queue_full", "shutting_down", "request_timeout", "internal"] as const),
  ...(["request_rate_exceeded", "concurrency_exceeded", "unsupported_input"] as const),
]);

/** Of these, what says nothing against the replica. */
const HARMLESS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["queue_full", "unsupported_input"]);

interface Failure {
  readonly replica: Replica;
  readonly error: unknown;
  /** The reader had some of the answer. */
  readonly hadBegun: boolean;
}

/** Several engines with the same weights as one. A replica that fails is followed by another, before the first text or after it. */
export class Pool implements Engine {
  readonly name: string;
  readonly #options: PoolOptions;
  readonly #replicas: readonly Replica[];
  readonly #prefixes = new PrefixIndex();
  #running = 0;
  #promptTokens = 0;
  #completionTokens = 0;
  #retries = 0;
  #resumes = 0;

  constructor(options: PoolOptions) {
    this.name = options.name;
    this.#options = options;
    this.#replicas = options.replicas.map(({ engine, weight }) => new Replica(engine, weight, options.now));
  }

  async model(signal: AbortSignal): Promise<EngineModel> {
    return pooledModel(
      this.#replicas.map(({ engine }) => engine),
      signal,
    );
  }

  async *generate(request: ContinuationRequest, signal: AbortSignal): AsyncGenerator<StreamPart> {
    const said = new Said(request);
    this.#running += 1;
    try {
      yield* this.#answer(request, said, signal);
    } catch (error) {
      if (said.hasBegun) yield { type: "usage", usage: this.#counted(said) };
      throw error;
    } finally {
      this.#running -= 1;
    }
    yield { type: "usage", usage: this.#counted(said) };
  }

  health(): Health {
    const states = this.#replicas.map(({ name, engine }) => ({ name, ...engine.health() }));
    const best = (["ready", "unloaded", "loading", "stalled", "failed"] as const).find((state) =>
      states.some((each) => each.state === state),
    );
    const ready = states.filter(({ state }) => state === "ready" || state === "unloaded").length;
    const others = states.filter(({ state }) => state !== "ready" && state !== "unloaded");
    const said = [`${ready} of ${states.length} replicas`, ...others.map(({ name, detail }) => `${name}: ${detail}`)];
    return { state: best ?? "failed", detail: said.join("; ") };
  }

  stats(): EngineStats {
    return { running: this.#running, promptTokens: this.#promptTokens, completionTokens: this.#completionTokens };
  }

  poolStats(): PoolStats {
    return {
      retries: this.#retries,
      resumes: this.#resumes,
      replicas: this.#replicas.map(({ name, running, isUp }) => ({ name, running, isUp })),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async *#answer(request: ContinuationRequest, said: Said, signal: AbortSignal): AsyncGenerator<StreamPart> {
    const beginning = beginningOf(request.input);
    const failures: Failure[] = [];
    let next = request;
    for (let replica = this.#pick(beginning, []); ; ) {
      try {
        this.#prefixes.saw(replica.name, beginning.blocks);
        yield* this.#hop(replica, next, said, signal);
        return;
      } catch (error) {
        if (said.isWhole) return; // only its usage is missing
        if (signal.aborted) throw error;
        failures.push({ replica, error, hadBegun: said.hasBegun });
        next = this.#afterFailure(request, said, failures);
        const from = replica.name;
        replica = this.#pick(
          beginning,
          failures.map((failure) => failure.replica),
        );
        this.#note(request, said, from, replica.name, error);
      }
    }
  }

  /** What another replica is asked. Throws when there is none to ask. */
  #afterFailure(request: ContinuationRequest, said: Said, failures: readonly Failure[]): ContinuationRequest {
    const last = failures.at(-1)?.error;
    if (!mayGoElsewhere(last)) throw last;
    if (!said.hasBegun) {
      // Where all refuse, the one that suited best has the reason that helps.
      if (failures.length >= this.#replicas.length) throw failures[0]?.error;
      return request;
    }
    const resumes = failures.filter(({ hadBegun }) => hadBegun).length;
    const rest = resumes <= this.#options.maxResumes ? resumed(request, said.sent) : undefined;
    if (rest === undefined) throw last;
    return rest;
  }

  /** Its usage is kept for the end. */
  async *#hop(
    replica: Replica,
    request: ContinuationRequest,
    said: Said,
    signal: AbortSignal,
  ): AsyncGenerator<StreamPart> {
    said.hop();
    replica.begin();
    try {
      for await (const part of replica.engine.generate(request, signal)) {
        if (said.promisesLess(part)) throw weakerReplica(replica.name);
        if (said.note(part)) yield part;
      }
      replica.succeeded();
    } catch (error) {
      if (!signal.aborted && isAgainstReplica(error)) replica.failed();
      throw error;
    } finally {
      replica.end();
    }
  }

  /** The best that has not failed this request; else the one that failed it first, which may be back. */
  #pick({ blocks, document }: Beginning, failed: readonly Replica[]): Replica {
    const seen = this.#prefixes.seen(blocks);
    const left = this.#replicas.filter((replica) => !failed.includes(replica));
    const up = left.filter(({ isUp }) => isUp);
    const views = (up.length > 0 ? up : left).map((replica) => ({
      replica,
      name: replica.name,
      share: replica.share,
      running: replica.running,
      seenBlocks: seen.get(replica.name) ?? 0,
    }));
    const [best] = POLICIES[this.#options.policy](views, { draw: this.#options.random(), document });
    const replica = best?.replica ?? failed[0];
    if (replica === undefined) throw new RangeError(`the pool ${this.name} has no replicas`);
    return replica;
  }

  #note({ callId }: ContinuationRequest, said: Said, from: string, to: string, error: unknown): void {
    if (said.hasBegun) this.#resumes += 1;
    else this.#retries += 1;
    this.#options.report({
      from,
      to,
      reason: error instanceof Error ? error.message : String(error),
      sentTokens: said.hasBegun ? said.sent.tokenCount : 0,
      ...(callId !== undefined && { callId }),
    });
  }

  #counted(said: Said): ReturnType<Said["usage"]> {
    const usage = said.usage();
    this.#promptTokens += usage.promptTokens;
    this.#completionTokens += usage.completionTokens;
    return usage;
  }
}

/** What the answer's header promised still holds behind a resume. */
function weakerReplica(name: string): ServiceError {
  const message = `the answer cannot go on with ${name}, which keeps a weaker guarantee than the answer began with`;
  return new ServiceError("unsupported_input", message);
}

function mayGoElsewhere(error: unknown): boolean {
  return error instanceof ServiceError && ELSEWHERE.has(error.code);
}

function isAgainstReplica(error: unknown): boolean {
  return mayGoElsewhere(error) && error instanceof ServiceError && !HARMLESS.has(error.code);
}
