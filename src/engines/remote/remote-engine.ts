import type { Engine, EngineModel, EngineStats, Health } from "../../continuation/engine.ts";
import { continueAll } from "../../continuation/merge.ts";
import { type DeltaPart, isShown, joined, type StreamPart, type Usage } from "../../continuation/output.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";
import { ServiceError } from "../../errors.ts";
import { Answer } from "./answer.ts";
import { describePeer } from "./describe-peer.ts";
import { emulating } from "./emulate.ts";
import { type Adapter, type Asked, fillsBy, type Peer, type PieceReader, type RemoteModel } from "./peer.ts";
import { PeerWatch } from "./peer-watch.ts";
import type { Phase, Upstream } from "./transport.ts";
import { malformed } from "./upstream-error.ts";
import { cannot, switchesIgnored } from "./wishes.ts";

export interface RemoteEngineOptions {
  readonly model: RemoteModel;
  readonly adapter: Adapter;
  /** May be shared with other models of the same engine; who opened it closes it. */
  readonly upstream: Upstream;
  /** For logs; one line without prompt text. */
  readonly report: (event: string, level: "info" | "warn") => void;
  readonly after: (ms: number, callback: () => void) => () => void;
}

/** Milliseconds between two looks at an engine, and at a service, which counts requests. */
const LOOK_MS = 30_000;
const SERVICE_LOOK_MS = 600_000;

/** Seeds below it are good on every wire. */
const SEEDS = 2 ** 31;

/** A model that an engine elsewhere serves. */
export class RemoteEngine implements Engine {
  readonly name: string;
  readonly #options: RemoteEngineOptions;
  readonly #watch: PeerWatch<Peer>;
  #running = 0;
  #promptTokens = 0;
  #completionTokens = 0;

  constructor(options: RemoteEngineOptions) {
    const { model, upstream, report, after } = options;
    this.name = model.name;
    this.#options = model.emulate === true ? { ...options, adapter: emulating(options.adapter) } : options;
    const { adapter } = this.#options;
    this.#watch = new PeerWatch<Peer>({
      probe: (signal) => adapter.probe(upstream, model, signal),
      isSame: async (peer, signal) => (await adapter.identify(upstream, model, signal)) === peer.identity,
      describe: describePeer,
      report: (event, level) => report(`engine ${upstream.name} of model ${model.name} ${event}`, level),
      after,
      lookMs: isService(adapter) ? SERVICE_LOOK_MS : LOOK_MS,
    });
    // Another program behind the same address may have another vocabulary. A service closes what is idle.
    if (!isService(adapter)) upstream.onDisconnect(() => this.#watch.doubt());
  }

  /** Asks what is there. Resolves when that is known, or that nobody answers; the latter is asked again by itself. */
  async start(): Promise<void> {
    await this.#watch.start();
  }

  async model(signal: AbortSignal): Promise<EngineModel> {
    return engineModelOf(await this.#watch.peer(signal));
  }

  /** What is known of the engine at this moment. */
  get known(): { readonly model: EngineModel; readonly peer: Peer } | undefined {
    const peer = this.#watch.known;
    return peer === undefined ? undefined : { model: engineModelOf(peer), peer };
  }

  /** Choices are requests of their own: not every engine takes several, and none says which of them it cut. */
  async *generate(request: ContinuationRequest, signal: AbortSignal): AsyncGenerator<StreamPart> {
    const peer = await this.#watch.peer(signal);
    const { choices, sampling } = request;
    if (choices === 1) return yield* this.#one(request, peer, 0, signal);
    const seedOf = (choice: number): { seed?: number } =>
      sampling.seed === undefined ? {} : { seed: (Math.abs(sampling.seed) + choice) % SEEDS };
    const requests = Array.from({ length: choices }, (_, choice) => ({
      ...request,
      choices: 1,
      sampling: choice === 0 ? sampling : { ...sampling, ...seedOf(choice) },
    }));
    const indexOf = new Map(requests.map((each, choice) => [each, choice]));
    const one = (each: ContinuationRequest, stop: AbortSignal): AsyncIterable<StreamPart> =>
      this.#one(each, peer, indexOf.get(each as (typeof requests)[number]) ?? 0, stop);
    yield* continueAll({ generate: one }, requests, choices, signal);
  }

  health(): Health {
    return this.#watch.health();
  }

  stats(): EngineStats {
    return {
      running: this.#running,
      promptTokens: this.#promptTokens,
      completionTokens: this.#completionTokens,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watch.close();
  }

  /** @param choice the prompt of a request is counted with its first. */
  async *#one(
    request: ContinuationRequest,
    peer: Peer,
    choice: number,
    signal: AbortSignal,
  ): AsyncGenerator<StreamPart> {
    const { adapter, model, upstream } = this.#options;
    if (request.promptLogprobs) throw cannot("log probabilities of a prompt", "echo");
    this.#running += 1;
    let answer: Answer | undefined;
    const used = (): Usage => counted(answer, choice);
    try {
      const asked = await adapter.lower(request, peer, model, upstream, signal);
      answer = new Answer(request, asked);
      yield* this.#said(request, asked, answer, peer, signal);
      const usage = used();
      this.#count(usage);
      yield { type: "usage", usage };
    } catch (error) {
      if (isOfTheConnection(error)) this.#watch.doubt();
      if (answer?.hasBegun === true) {
        this.#count(used());
        yield { type: "usage", usage: used() };
      }
      throw error;
    } finally {
      this.#running -= 1;
    }
  }

  async *#said(
    request: ContinuationRequest,
    asked: Asked,
    answer: Answer,
    peer: Peer,
    signal: AbortSignal,
  ): AsyncGenerator<StreamPart> {
    const { adapter, upstream } = this.#options;
    if (request.limits.maxTokens === 0) {
      yield startOf(asked, request, peer);
      yield* answer.push({ finish: { reason: "length", raw: "length" } });
      return;
    }
    const read = adapter.reader(upstream, peer, request);
    const phase = (): Phase => (answer.hasEnded ? "rest" : answer.hasBegun ? "next" : "first");
    let hasStarted = false;
    for await (const events of upstream.events(asked, phase, signal, request.trace)) {
      const { isAnswer, parts, failure } = heard(events, read, answer);
      if (isAnswer && !hasStarted) yield startOf(asked, request, peer);
      hasStarted ||= isAnswer;
      for (const part of parts) yield part; // `yield*` would make an asynchronous iterator of each list
      if (failure !== undefined) throw failure.error;
      if (answer.isCut) return; // leaving the loop tells the engine to stop
    }
    if (!answer.hasEnded) throw malformed(upstream.name, "an answer that breaks off");
  }

  #count({ promptTokens, completionTokens }: Usage): void {
    this.#promptTokens += promptTokens;
    this.#completionTokens += completionTokens;
  }
}

/** What came at once. */
interface Heard {
  /** The first event could be read, if there was one. */
  readonly isAnswer: boolean;
  readonly parts: readonly StreamPart[];
  /** Of an event behind the parts. */
  readonly failure?: { readonly error: unknown };
}

/**
 * Reads events that came at once. Their text is one delta: whatever is done for each part of an answer is done for as many
 * tokens as the network brings together, where the engine is faster than the reader. A hidden thought stays apart from text.
 */
function heard(events: readonly string[], read: PieceReader, answer: Answer): Heard {
  const said: StreamPart[] = [];
  let isAnswer = false;
  try {
    for (const event of events) {
      said.push(...answer.push(read(event)));
      isAnswer = true;
      if (answer.isCut) break;
    }
    return { isAnswer, parts: joinedAlike(said) };
  } catch (error) {
    return { isAnswer, parts: joinedAlike(said), failure: { error } };
  }
}

/** @param said by one choice. */
function joinedAlike(said: readonly StreamPart[]): readonly StreamPart[] {
  const parts: StreamPart[] = [];
  let alike: DeltaPart[] = [];
  const join = (): void => {
    const [first, ...more] = alike;
    if (first !== undefined) parts.push(joined([first, ...more]));
    alike = [];
  };
  for (const part of said) {
    const [first] = alike;
    if (first !== undefined && (part.type !== "delta" || isShown(part) !== isShown(first))) join();
    if (part.type === "delta") alike.push(part);
    else parts.push(part);
  }
  join();
  return parts;
}

function engineModelOf(peer: Peer): EngineModel {
  const { model, contextTokens, vocabularySize, chat, chatPrefix } = peer;
  const fim = fillsBy(peer);
  return {
    id: model,
    ...(contextTokens !== undefined && { contextTokens }),
    ...(vocabularySize !== undefined && { vocabularySize }),
    ...(fim !== undefined && { fim }),
    chat,
    ...(chat && !chatPrefix && { partial: false }),
    ...(chat && fim === undefined && { mayEmulate: true }),
    defaults: {},
  };
}

function isService({ hosts }: Adapter): boolean {
  return hosts !== undefined;
}

function startOf(
  { promptTokens, truncatedTokens, ignored, guarantee = "native" }: Asked,
  request: ContinuationRequest,
  { model }: Peer,
): StreamPart {
  return {
    type: "start",
    model,
    ...(promptTokens !== undefined && { promptTokens }),
    truncatedTokens,
    ignored: [...ignored, ...switchesIgnored(request)],
    guarantee,
  };
}

function counted(answer: Answer | undefined, choice: number): Usage {
  const usage: Usage = answer?.usage() ?? { promptTokens: 0, completionTokens: 0, source: "estimate" };
  if (choice === 0) return usage;
  return { ...usage, promptTokens: 0, ...(usage.cachedPromptTokens !== undefined && { cachedPromptTokens: 0 }) };
}

function isOfTheConnection(error: unknown): boolean {
  return error instanceof ServiceError && error.code === "model_unavailable";
}
