import type { Engine } from "../../src/continuation/engine.ts";
import type { StartPart, StreamPart } from "../../src/continuation/output.ts";
import type { ContinuationRequest } from "../../src/continuation/request.ts";
import { ServiceError } from "../../src/errors.ts";
import { deltaPart, ScriptedEngine, startPart } from "./scripted-engine.ts";

/** What becomes of a request. */
export interface Plan {
  readonly promptTokens: number;
  /** Of each choice. */
  readonly tokens: number;
  /** Tokens that are computed before the first of them is handed out, at least 1. */
  readonly burst: number;
  /** `fails`: half-way through its tokens. */
  readonly ending: "stops" | "fails" | "is refused";
}

/** Keeps count of all that it computes, whoever reads it, as the embedded engine does. */
export class CountingEngine extends ScriptedEngine {
  readonly computed = { promptTokens: 0, completionTokens: 0 };
  readonly accept?: NonNullable<Engine["accept"]>;
  readonly #planOf: (request: ContinuationRequest) => Plan;

  /** @param canTell it knows before it begins what it will refuse. */
  constructor(planOf: (request: ContinuationRequest) => Plan, canTell: boolean) {
    super(() => []);
    this.#planOf = planOf;
    if (canTell) this.accept = async (requests) => requests.map((request) => this.#start(request));
  }

  override async *generate(request: ContinuationRequest, signal: AbortSignal): AsyncGenerator<StreamPart> {
    const plan = this.#planOf(request);
    yield this.#start(request);
    const used = { promptTokens: 0, completionTokens: 0 };
    try {
      await tick(signal);
      used.promptTokens = plan.promptTokens;
      this.computed.promptTokens += plan.promptTokens;
      yield* this.#choices(plan, request.choices, used, signal);
    } catch (error) {
      yield { type: "usage", usage: { ...used, source: "engine" } };
      throw error;
    }
    yield { type: "usage", usage: { ...used, source: "engine" } };
  }

  #start(request: ContinuationRequest): StartPart {
    const { promptTokens, ending } = this.#planOf(request);
    if (ending === "is refused") throw new ServiceError("invalid_parameter", "Range of input length should be [1, 9]");
    return startPart({ promptTokens });
  }

  async *#choices(
    { tokens, burst, ending }: Plan,
    choices: number,
    used: { completionTokens: number },
    signal: AbortSignal,
  ): AsyncGenerator<StreamPart> {
    for (let choice = 0; choice < choices; choice += 1) {
      for (let token = 0; token < tokens; token += 1) {
        await tick(signal);
        if (ending === "fails" && token >= tokens / 2) throw new Error("the weights fell over");
        const computed = token % burst === 0 ? Math.min(burst, tokens - token) : 0;
        used.completionTokens += computed;
        this.computed.completionTokens += computed;
        yield deltaPart("a", choice);
      }
      yield { type: "finish", choice, reason: "stop" };
    }
  }
}

/** A turn of the event loop, in which others go on and an abort is noticed. */
async function tick(signal: AbortSignal): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  signal.throwIfAborted();
}
