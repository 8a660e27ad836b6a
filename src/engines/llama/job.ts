import type { StreamPart, TokenLogprob } from "../../continuation/output.ts";
import { ServiceError } from "../../errors.ts";
import type {
  AcceptedMessage,
  EchoMessage,
  FlowMessage,
  GenerateMessage,
  RefusedMessage,
  StepOutput,
} from "./messages.ts";
import { PartQueue } from "./part-queue.ts";

/**
 * A request is given up when processes keep dying without a new token of it: after five that crashed, which it may have
 * caused, or after twenty-five that were killed from outside, which it can only have caused by eating up the memory.
 */
const PATIENCE = 25;
const CRASH_COST = 5;
const KILL_COST = 1;

/**
 * One request as the server sees it: what it asked, what it has been told so far, and the parts its reader still has to take.
 * Enough to go on in a new engine process after the old one died.
 */
export class Job {
  readonly id: number;
  readonly #request: Omit<GenerateMessage, "choices" | "resumed">;
  readonly #about: { readonly model: string; readonly ignored: readonly string[] };
  readonly #queue: PartQueue<StreamPart>;
  readonly #generated: number[][];
  readonly #finished: (number | undefined)[];
  /** Per choice, log probabilities of tokens that are generated but not shown yet, in order. */
  readonly #unshown: TokenLogprob[][];
  #promptTokens: number | undefined;
  #cachedTokens = 0;
  #drafts = { proposed: 0, accepted: 0 };
  #silentDeaths = { count: 0, cost: 0 };
  #echoed = false;

  constructor(
    request: Omit<GenerateMessage, "choices" | "resumed">,
    choices: number,
    about: { readonly model: string; readonly ignored: readonly string[] },
    send: (message: FlowMessage) => void,
  ) {
    this.id = request.id;
    this.#request = request;
    this.#about = about;
    this.#queue = new PartQueue((paused) => send({ type: "flow", id: request.id, paused }));
    this.#generated = Array.from({ length: choices }, () => []);
    this.#finished = Array.from({ length: choices }, () => undefined);
    this.#unshown = Array.from({ length: choices }, () => []);
  }

  get done(): boolean {
    return this.#finished.every((tokens) => tokens !== undefined);
  }

  parts(): AsyncGenerator<StreamPart> {
    return this.#queue.drain();
  }

  /** For a process that knows nothing of this request. */
  messages(): readonly (GenerateMessage | FlowMessage)[] {
    const choices = this.#generated.map((tokens, choice) => (this.#finished[choice] === undefined ? tokens : null));
    const generate: GenerateMessage = {
      ...this.#request,
      promptLogprobs: this.#request.promptLogprobs && !this.#echoed,
      type: "generate",
      choices,
      resumed: this.#promptTokens !== undefined,
    };
    return this.#queue.paused ? [generate, { type: "flow", id: this.id, paused: true }] : [generate];
  }

  accept({ promptTokens, truncatedTokens }: AcceptedMessage): void {
    this.#silentDeaths = { count: 0, cost: 0 };
    this.#promptTokens = promptTokens;
    this.#queue.push({ type: "start", ...this.#about, promptTokens, truncatedTokens });
  }

  refuse({ code, message, param, retryAfterMs }: RefusedMessage): void {
    this.fail(
      new ServiceError(code, message, {
        ...(param !== undefined && { param }),
        ...(retryAfterMs !== undefined && { retryAfterMs }),
      }),
    );
  }

  echo({ tokens }: EchoMessage): void {
    this.#echoed = true;
    this.#queue.push({ type: "echo", choice: 0, tokens });
  }

  take({ choice, generated, text, shown, logprobs, drafted, cachedTokens, finished }: StepOutput): void {
    this.#silentDeaths = { count: 0, cost: 0 };
    this.#generated[choice]?.push(...generated);
    this.#drafts = {
      proposed: this.#drafts.proposed + (drafted?.proposed ?? 0),
      accepted: this.#drafts.accepted + (drafted?.accepted ?? 0),
    };
    const scores = this.#unshown[choice] ?? [];
    scores.push(...(logprobs ?? []));
    // After a crash the whole prompt is evaluated again; that is our affair, not a smaller cache hit of the caller's.
    if (choice === 0 && cachedTokens !== undefined && !this.#cacheKnown) this.#learnCache(cachedTokens);
    if (text !== "" || shown.length > 0) {
      const delta = { type: "delta", choice, text, tokens: shown } as const;
      this.#queue.push(
        this.#request.logprobs === undefined ? delta : { ...delta, logprobs: scores.splice(0, shown.length) },
      );
    }
    if (finished !== undefined) this.#finish(choice, finished);
  }

  /** The process died. False: this request should not be tried again and has been told so. */
  survives({ killed }: { readonly killed: boolean }): boolean {
    const { count, cost } = this.#silentDeaths;
    this.#silentDeaths = { count: count + 1, cost: cost + (killed ? KILL_COST : CRASH_COST) };
    if (this.#silentDeaths.cost < PATIENCE) return true;
    const text = `the engine process died ${count + 1} times in a row while working on this request`;
    this.fail(new ServiceError("internal", text));
    return false;
  }

  fail(error: unknown): void {
    this.#queue.fail(error);
  }

  #cacheKnown = false;

  #learnCache(tokens: number): void {
    this.#cacheKnown = true;
    this.#cachedTokens = tokens;
  }

  #finish(choice: number, { reason, completionTokens, rule }: NonNullable<StepOutput["finished"]>): void {
    this.#finished[choice] = completionTokens;
    this.#queue.push({ type: "finish", choice, reason, ...(rule !== undefined && { rule }) });
    if (!this.done) return;
    const promptTokens = this.#promptTokens ?? 0;
    const total = this.#finished.reduce<number>((sum, tokens) => sum + (tokens ?? 0), 0);
    const usage = {
      promptTokens,
      completionTokens: total,
      cachedPromptTokens: Math.min(this.#cachedTokens, promptTokens),
      ...(this.#request.speculation && { drafts: this.#drafts }),
    };
    this.#queue.push({ type: "usage", usage: { ...usage, source: "engine" } });
    this.#queue.end();
  }
}
