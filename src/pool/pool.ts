import type { Engine, EngineModel, EngineStats, Health } from "../continuation/engine.ts";
import type { StreamPart } from "../continuation/output.ts";
import type { ContinuationRequest } from "../continuation/request.ts";
import { resumed } from "../continuation/resume.ts";
import { traceIdOf } from "../continuation/trace.ts";
import { Attempt } from "./attempt.ts";
import { type Beginning, beginningOf } from "./beginning.ts";
import { isAgainstReplica, mayGoElsewhere, weakerReplica } from "./elsewhere.ts";
import type { PoolEvent, PoolStats } from "./figures.ts";
import { type HedgeOptions, Hedging } from "./hedge.ts";
import type { PolicyName } from "./policy.ts";
import { pooledModel } from "./pooled-model.ts";
import { raced } from "./race.ts";
import { Replica } from "./replica.ts";
import { Router } from "./router.ts";
import { Said } from "./said.ts";

export interface PoolOptions {
  /** The name that callers use. */
  readonly name: string;
  /** At least one; all serve the same weights. Who made the engines disposes of them. */
  readonly replicas: readonly { readonly engine: Engine; readonly weight: number }[];
  readonly policy: PolicyName;
  /** How often one answer goes on elsewhere after its first text. */
  readonly maxResumes: number;
  /** Absent: an interactive request is never sent twice at the same time. */
  readonly hedge?: HedgeOptions;
  /** Calls back once after so many milliseconds, unless the returned function is called before. */
  readonly after: (ms: number, callback: () => void) => () => void;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  readonly report: (event: PoolEvent) => void;
}

interface Failure {
  readonly replica: Replica;
  readonly error: unknown;
  /** The reader had some of the answer. */
  readonly hadBegun: boolean;
}

/** What a hedged request needs to know of its call. */
interface Hedged {
  readonly beginning: Beginning;
  readonly said: Said;
  readonly failures: Failure[];
  readonly hedging: Hedging;
}

/** Several engines with the same weights as one. A replica that fails is followed by another, before the first text or after it. */
export class Pool implements Engine {
  readonly name: string;
  readonly #options: PoolOptions;
  readonly #replicas: readonly Replica[];
  readonly #router: Router;
  #running = 0;
  #promptTokens = 0;
  #completionTokens = 0;
  #retries = 0;
  #resumes = 0;
  #hedges = 0;
  #hedgeWins = 0;
  readonly #hedging: Hedging | undefined;

  constructor(options: PoolOptions) {
    if (options.hedge !== undefined) this.#hedging = new Hedging(options.hedge);
    this.name = options.name;
    this.#options = options;
    this.#replicas = options.replicas.map(({ engine, weight }) => new Replica(engine, weight, options.now));
    this.#router = new Router({ replicas: this.#replicas, policy: options.policy, random: options.random });
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
      if (said.hasCost) yield { type: "usage", usage: this.#counted(said) };
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
    const loads = this.#replicas.reduce((sum, { engine }) => sum + (engine.stats().loads ?? 0), 0);
    const [promptTokens, completionTokens] = [this.#promptTokens, this.#completionTokens];
    return { running: this.#running, promptTokens, completionTokens, loads };
  }

  poolStats(): PoolStats {
    return {
      retries: this.#retries,
      resumes: this.#resumes,
      hedges: this.#hedges,
      hedgeWins: this.#hedgeWins,
      replicas: this.#replicas.map(({ name, running, isUp, isBroken, failures }) => ({
        ...{ name, running, isUp, isBroken, failures },
      })),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async *#answer(request: ContinuationRequest, said: Said, signal: AbortSignal): AsyncGenerator<StreamPart> {
    const beginning = beginningOf(request.input);
    const failures: Failure[] = [];
    let next = request;
    for (let replica = this.#router.route(beginning, []); ; ) {
      try {
        yield* failures.length === 0 && this.#hedging !== undefined && request.interactive === true
          ? this.#hedged(replica, next, { beginning, said, failures, hedging: this.#hedging }, signal)
          : this.#hop(replica, next, said, failures, signal);
        return;
      } catch (error) {
        if (said.isWhole) return; // only its usage is missing
        if (signal.aborted) throw error;
        next = this.#afterFailure(request, said, failures);
        const from = failures.at(-1)?.replica.name ?? replica.name;
        replica = this.#router.route(beginning, failedIn(failures));
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
      return { ...request, attempt: "retry" };
    }
    const resumes = failures.filter(({ hadBegun }) => hadBegun).length;
    const rest = resumes <= this.#options.maxResumes ? resumed(request, said.sent) : undefined;
    if (rest === undefined) throw last;
    return { ...rest, attempt: "resume" };
  }

  /** Its usage is kept for the end. */
  async *#hop(
    replica: Replica,
    request: ContinuationRequest,
    said: Said,
    failures: Failure[],
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
      failures.push({ replica, error, hadBegun: said.hasBegun });
      throw error;
    } finally {
      replica.end();
    }
  }

  /** As a hop, with a second replica beside the first when that one is silent for too long. */
  async *#hedged(
    replica: Replica,
    request: ContinuationRequest,
    { beginning, said, failures, hedging }: Hedged,
    signal: AbortSignal,
  ): AsyncGenerator<StreamPart> {
    const { now, after } = this.#options;
    const startedMs = now();
    hedging.earn();
    const { delayMs } = hedging;
    const first = new Attempt(replica, request, signal);
    let cancel = (): void => {};
    const delay = new Promise<void>((resolve) => {
      if (delayMs !== undefined) cancel = after(delayMs, resolve);
    });
    const second = (): Attempt | undefined => {
      const other = this.#router.routeBeside(beginning, [replica, ...failedIn(failures)]);
      if (other === undefined || signal.aborted || !hedging.spend()) return undefined;
      this.#hedges += 1;
      return new Attempt(other, { ...request, attempt: "hedge" }, signal);
    };
    const won = (attempt: Attempt): void => {
      cancel();
      hedging.measured(now() - startedMs);
      if (attempt === first) return;
      this.#hedgeWins += 1;
      const failure = failures.find((each) => each.replica === replica);
      if (failure === undefined) replica.outrun();
      else this.#note(request, said, replica.name, attempt.replica.name, failure.error);
      this.#router.saw(attempt.replica, beginning);
    };
    const failed = (attempt: Attempt, error: unknown): void =>
      void failures.push({ replica: attempt.replica, error, hadBegun: said.hasBegun });
    try {
      yield* raced(first, { said, delay, second, won, failed });
    } finally {
      cancel();
    }
  }

  #note({ callId, trace }: ContinuationRequest, said: Said, from: string, to: string, error: unknown): void {
    const traceId = trace === undefined ? undefined : traceIdOf(trace);
    if (said.hasBegun) this.#resumes += 1;
    else this.#retries += 1;
    this.#options.report({
      from,
      to,
      reason: error instanceof Error ? error.message : String(error),
      sentTokens: said.hasBegun ? said.sent.tokenCount : 0,
      ...(callId !== undefined && { callId }),
      ...(traceId !== undefined && { traceId }),
    });
  }

  #counted(said: Said): ReturnType<Said["usage"]> {
    const usage = said.usage();
    this.#promptTokens += usage.promptTokens;
    this.#completionTokens += usage.completionTokens;
    return usage;
  }
}

/** Those that may be back first: one that refuses will refuse again. */
function failedIn(failures: readonly Failure[]): readonly Replica[] {
  const isRefusal = ({ error }: Failure): boolean => !isAgainstReplica(error);
  return [...failures.filter((each) => !isRefusal(each)), ...failures.filter(isRefusal)].map(({ replica }) => replica);
}
