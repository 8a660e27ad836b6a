import type { ModelCard } from "../../src/continuation/card.ts";
import type { Engine, EngineModel, EngineStats, Health, LocalModel } from "../../src/continuation/engine.ts";
import type { FinishReason, StartPart, StreamPart } from "../../src/continuation/output.ts";
import type { ContinuationRequest } from "../../src/continuation/request.ts";
import type { Directory } from "../../src/directory/directory.ts";
import { ServiceError } from "../../src/errors.ts";

/** A part is said, a promise is waited for (until an abort), an error is thrown. */
export type Step = StreamPart | Promise<unknown> | Error;

export type Script = (request: ContinuationRequest) => Iterable<Step>;

/** One request as the engine saw it. */
export interface ScriptedCall {
  readonly request: ContinuationRequest;
  readonly signal: AbortSignal;
  /** Parts handed out so far. */
  readonly said: () => number;
  /** Resolves when the request is over, whatever the reason. */
  readonly ended: Promise<void>;
}

/** An engine that says what its script says. Time passes only when a test opens a gate. */
export class ScriptedEngine implements Engine {
  readonly name: string;
  readonly calls: ScriptedCall[] = [];
  protected readonly script: Script;
  readonly #arrivals: (() => void)[] = [];
  #health: Health = { state: "ready", detail: "scripted" };
  #stats: EngineStats = NO_STATS;

  constructor(script: Script, name = "scripted-weights") {
    this.script = script;
    this.name = name;
  }

  /** The request with this index, waiting for it if it has not come yet. */
  async call(index = 0): Promise<ScriptedCall> {
    for (;;) {
      const call = this.calls[index];
      if (call !== undefined) return call;
      await new Promise<void>((resolve) => this.#arrivals.push(resolve));
    }
  }

  setHealth(health: Health): void {
    this.#health = health;
  }

  setStats(stats: Partial<EngineStats>): void {
    this.#stats = { ...NO_STATS, ...stats };
  }

  async model(): Promise<EngineModel> {
    return SCRIPTED_MODEL;
  }

  async *generate(request: ContinuationRequest, signal: AbortSignal): AsyncGenerator<StreamPart> {
    const ended = gate();
    let said = 0;
    this.calls.push({ request, signal, said: () => said, ended: ended.opened });
    for (const wake of this.#arrivals.splice(0)) wake();
    try {
      for (const step of this.script(request)) {
        signal.throwIfAborted();
        if (step instanceof Error) throw step;
        if (step instanceof Promise) {
          await untilAborted(step, signal);
        } else {
          said++;
          yield step;
        }
      }
    } finally {
      ended.open();
    }
  }

  health(): Health {
    return this.#health;
  }

  stats(): EngineStats {
    return this.#stats;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** Knows before it begins what the first step of its script will be. */
export class AcceptingEngine extends ScriptedEngine {
  async accept(requests: readonly ContinuationRequest[]): Promise<readonly StartPart[]> {
    return requests.map((request) => {
      const [first] = this.script(request);
      if (first instanceof Error) throw first;
      if (first instanceof Promise || first?.type !== "start") throw new RangeError("a script begins with its start");
      return first;
    });
  }
}

export interface Gate {
  readonly opened: Promise<void>;
  open(): void;
}

export function gate(): Gate {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

export interface Said {
  readonly promptTokens?: number;
  readonly truncatedTokens?: number;
  readonly ignored?: readonly string[];
  readonly reason?: FinishReason;
  readonly cachedPromptTokens?: number;
}

/** The parts of a whole answer with one choice and one token per text. */
export function saying(texts: readonly string[], said: Said = {}): StreamPart[] {
  return [
    startPart(said),
    ...texts.map((text) => deltaPart(text)),
    { type: "finish", choice: 0, reason: said.reason ?? "stop" },
    usagePart(texts.length, said),
  ];
}

export function startPart(said: Said = {}): StartPart {
  return {
    type: "start",
    model: SCRIPTED_MODEL.id,
    promptTokens: said.promptTokens ?? 3,
    truncatedTokens: said.truncatedTokens ?? 0,
    ignored: said.ignored ?? [],
  };
}

export function deltaPart(text: string, choice = 0): StreamPart {
  return { type: "delta", choice, text, tokens: [text.length] };
}

export function usagePart(completionTokens: number, said: Said = {}): StreamPart {
  const { promptTokens = 3, cachedPromptTokens } = said;
  const cached = cachedPromptTokens === undefined ? {} : { cachedPromptTokens };
  return { type: "usage", usage: { promptTokens, completionTokens, source: "engine", ...cached } };
}

export const SCRIPTED_MODEL: LocalModel = {
  id: "scripted-weights",
  contextTokens: 4096,
  fim: "qwen",
  chat: true,
  vocabularySize: 1000,
  defaults: {},
};

export function scriptedCard(name: string, overrides: Partial<ModelCard> = {}): ModelCard {
  return {
    name,
    catalogued: false,
    completions: true,
    partial: true,
    answeredBy: { id: SCRIPTED_MODEL.id, standIn: false, model: SCRIPTED_MODEL },
    maxInputTokens: 4000,
    maxOutputTokens: 2048,
    contextTokens: SCRIPTED_MODEL.contextTokens,
    defaults: { model: {}, operator: {} },
    ...overrides,
  };
}

/** Names that one engine answers to. @param opening waited for before anybody answers. */
export function scriptedDirectory(
  engine: Engine,
  cards: readonly ModelCard[],
  opening: Promise<unknown> = Promise.resolve(),
): Directory {
  const find = (name: string): ModelCard | undefined => cards.find((card) => card.name === name);
  return {
    find,
    list: () => cards,
    infillNames: () => cards.map(({ name }) => name),
    fallbacksOf: () => [],
    open: async (name, _wanted, signal) => {
      await untilAborted(opening, signal);
      const card = find(name);
      if (card?.answeredBy.model === undefined) {
        throw new ServiceError("model_unavailable", "no weights are there; start with --model FILE");
      }
      return [{ card, engine }];
    },
  };
}

const NO_STATS: EngineStats = {
  queued: 0,
  running: 0,
  slots: 1,
  promptTokens: 0,
  cachedPromptTokens: 0,
  completionTokens: 0,
  draftedTokens: 0,
  acceptedDraftTokens: 0,
  restarts: 0,
  hangs: 0,
  blamed: 0,
  resumed: 0,
  aborted: { queued: 0, prefill: 0, decode: 0 },
  savedPromptTokens: 0,
  savedCompletionTokens: 0,
};

function untilAborted(step: Promise<unknown>, signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    step.then(resolve, reject);
  });
}
