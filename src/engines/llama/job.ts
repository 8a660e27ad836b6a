import { createHash } from "node:crypto";
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

export interface JobFacts {
  readonly model: string;
  readonly ignored: readonly string[];
  /** What logs call the request. */
  readonly requestId?: string;
}

/**
 * One request as the server sees it: what it asked, what it has been told so far, and the parts its reader still has to take.
 * Enough to go on in a new engine process after the old one died.
 */
export class Job {
  readonly id: number;
  readonly #request: Omit<GenerateMessage, "choices" | "resumed">;
  readonly #about: JobFacts;
  readonly #queue: PartQueue<StreamPart>;
  readonly #generated: number[][];
  readonly #finished: (number | undefined)[];
  /** Per choice, log probabilities of tokens that are generated but not shown yet, in order. */
  readonly #unshown: TokenLogprob[][];
  #promptTokens: number | undefined;
  #cachedTokens = 0;
  #drafts = { proposed: 0, accepted: 0 };
  #echoed = false;
  #hasFailed = false;

  constructor(
    request: Omit<GenerateMessage, "choices" | "resumed">,
    choices: number,
    about: JobFacts,
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

  /** Everything has been generated. */
  get isDone(): boolean {
    return this.#finished.every((tokens) => tokens !== undefined);
  }

  /** There is something left to generate, and nothing stands against it. */
  get isOpen(): boolean {
    return !this.isDone && !this.#hasFailed;
  }

  /** The same for all requests that ask the same, whatever their seeds. */
  fingerprint(): string {
    const { id: _id, seed: _seed, ...asked } = this.#request;
    return createHash("sha256").update(JSON.stringify(asked)).digest("base64");
  }

  /** For logs. */
  toString(): string {
    const generated = this.#generated.reduce((sum, tokens) => sum + tokens.length, 0);
    const prompt = this.#promptTokens === undefined ? "a prompt not read yet" : `${this.#promptTokens} prompt tokens`;
    return `request ${this.#about.requestId ?? this.id} (${prompt}, ${generated} generated)`;
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

  /** Only the first process to accept it is news. */
  accept({ promptTokens, truncatedTokens }: AcceptedMessage): void {
    if (this.#promptTokens !== undefined) return;
    this.#promptTokens = promptTokens;
    const { model, ignored } = this.#about;
    this.#queue.push({ type: "start", model, ignored, promptTokens, truncatedTokens });
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

  fail(error: unknown): void {
    this.#hasFailed = true;
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
    if (!this.isDone) return;
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
