import type { Engine } from "../continuation/engine.ts";
import type { ContinuationRequest } from "../continuation/request.ts";
import { AnswerMemory } from "./answer-memory.ts";
import { rememberingEngine } from "./remembering-engine.ts";
import { RunningRequests, type SupersedeRules, type Typist } from "./running-requests.ts";

export interface TypingOptions {
  readonly supersede: SupersedeRules;
  /** Answers are remembered for who types along them. */
  readonly memory: boolean;
  /** Most bytes of them. */
  readonly memoryBytes: number;
  /** How long, milliseconds. */
  readonly memoryMs: number;
}

export const DEFAULT_TYPING: TypingOptions = {
  supersede: { document: true, user: false, prefix: false },
  memory: true,
  // About 2 000 suggestions of 50 tokens; somebody who types needs the last few dozen.
  memoryBytes: 16 << 20,
  memoryMs: 600_000,
};

interface Surroundings {
  /** Names of engines whose answers depend on nothing but the request itself. Default: none. */
  readonly exact?: ReadonlySet<string>;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
}

/** What makes a stream of almost equal requests cheap, whatever the engine. */
export class Typing {
  readonly running: RunningRequests;
  readonly #memory: AnswerMemory | undefined;
  readonly #exact: ReadonlySet<string>;

  constructor({ supersede, memory, memoryBytes, memoryMs }: TypingOptions, { exact = new Set(), now }: Surroundings) {
    this.running = new RunningRequests(supersede);
    if (memory) this.#memory = new AnswerMemory({ bytes: memoryBytes, ageMs: memoryMs, now });
    this.#exact = exact;
  }

  /** Bytes of remembered answers, about. */
  get memoryBytes(): number {
    return this.#memory?.bytes ?? 0;
  }

  /**
   * The engine for the requests of a call. Only who names a document is an editor for certain; everybody else gets what the
   * model says to the very request.
   */
  engineFor(
    engine: Pick<Engine, "name" | "accept" | "generate" | "stats">,
    { owner, document }: Typist,
    requests: readonly ContinuationRequest[],
  ): Pick<Engine, "accept" | "generate"> {
    if (this.#memory === undefined || document === undefined || requests.length !== 1) return engine;
    return rememberingEngine(engine, { memory: this.#memory, owner, saysRests: !this.#exact.has(engine.name) });
  }
}
