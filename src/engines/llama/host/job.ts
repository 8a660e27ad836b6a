import { createHash } from "node:crypto";
import type { StreamPart, TokenLogprob, Usage } from "../../../continuation/output.ts";
import { ServiceError } from "../../../errors.ts";
import type {
  AbortedMessage,
  AbortMessage,
  AcceptedMessage,
  EchoMessage,
  FlowMessage,
  GenerateMessage,
  RefusedMessage,
  StepOutput,
} from "../wire/messages.ts";
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
  readonly #send: (message: FlowMessage | AbortMessage) => boolean;
  readonly #generated: number[][];
  /** Per choice, tokens shown, and once it has finished those to be charged. */
  readonly #shown: number[];
  readonly #finished: (number | undefined)[];
  /** Per choice, log probabilities of tokens that are generated but not shown yet, in order. */
  readonly #unshown: TokenLogprob[][];
  #promptTokens: number | undefined;
  /** Of the prompt, as the first process said. */
  #cachedTokens: number | undefined;
  #drafts = { proposed: 0, accepted: 0 };
  #echoed = false;
  #hasFailed = false;
  /** Its reader has been told that it failed, or has left. */
  #givenUp = false;
  /** What the process said it used until then; undefined when no process can say. */
  #aborted: Omit<AbortedMessage, "type" | "id"> | undefined;
  /** The process works on it no longer. */
  #isOver = false;
  #whenOver: () => void = () => {};

  /** @param send false: there is no process to take the message. */
  constructor(
    request: Omit<GenerateMessage, "choices" | "resumed">,
    choices: number,
    about: JobFacts,
    send: (message: FlowMessage | AbortMessage) => boolean,
  ) {
    this.id = request.id;
    this.#request = request;
    this.#about = about;
    this.#send = send;
    this.#queue = new PartQueue((paused) => send({ type: "flow", id: request.id, paused }));
    this.#generated = Array.from({ length: choices }, () => []);
    this.#shown = Array.from({ length: choices }, () => 0);
    this.#finished = Array.from({ length: choices }, () => undefined);
    this.#unshown = Array.from({ length: choices }, () => []);
  }

  /** Everything has been generated; without choices, it has been accepted. */
  get isDone(): boolean {
    if (this.#finished.length === 0) return this.#promptTokens !== undefined;
    return this.#finished.every((tokens) => tokens !== undefined);
  }

  /** There is something left to generate, and nothing stands against it. */
  get isOpen(): boolean {
    return !this.isDone && !this.#hasFailed && !this.#givenUp;
  }

  /** The same for all requests that ask the same, whatever their seeds, alone or in a batch. */
  fingerprint(): string {
    const { id: _id, seed: _seed, admitted: _admitted, ...asked } = this.#request;
    return createHash("sha256").update(JSON.stringify(asked)).digest("base64");
  }

  /** For logs. */
  toString(): string {
    const generated = this.#generated.reduce((sum, tokens) => sum + tokens.length, 0);
    const prompt = this.#promptTokens === undefined ? "a prompt not read yet" : `${this.#promptTokens} prompt tokens`;
    return `request ${this.#about.requestId ?? this.id} (${prompt}, ${generated} generated)`;
  }

  /** Asks the process to stop when it fails or its reader leaves. After a failure says what was used, before it throws. */
  async *parts(): AsyncGenerator<StreamPart> {
    try {
      yield* this.#queue.drain();
    } catch (error) {
      await this.#stopped();
      const usage = this.#used();
      if (usage !== undefined) yield { type: "usage", usage };
      throw error;
    } finally {
      if (!this.#isOver && !this.#givenUp) this.#abort();
    }
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
    this.#queue.push({ type: "start", model, ignored, promptTokens, truncatedTokens, guarantee: "exact" });
    if (this.isDone) this.#end();
  }

  refuse({ code, message, param, retryAfterMs }: RefusedMessage): void {
    this.#end();
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

  take({ choice, generated, text, shown, hidden, logprobs, drafted, cachedTokens, finished }: StepOutput): void {
    this.#generated[choice]?.push(...generated);
    this.#shown[choice] = (this.#shown[choice] ?? 0) + shown.length;
    this.#drafts = {
      proposed: this.#drafts.proposed + (drafted?.proposed ?? 0),
      accepted: this.#drafts.accepted + (drafted?.accepted ?? 0),
    };
    const scores = this.#unshown[choice] ?? [];
    scores.push(...(logprobs ?? []));
    // After a crash the whole prompt is evaluated again; that is our affair, not a smaller cache hit of the caller's.
    if (choice === 0) this.#cachedTokens ??= cachedTokens;
    if (text !== "" || shown.length > 0) {
      const delta = { type: "delta", choice, text, tokens: shown } as const;
      this.#queue.push(
        this.#request.logprobs === undefined
          ? delta
          : { ...delta, logprobs: scores.splice(0, shown.length).slice(hidden) },
      );
    }
    if (finished !== undefined) this.#finish(choice, finished);
  }

  aborted({ promptShare, completionTokens }: AbortedMessage): void {
    this.#aborted = { promptShare, completionTokens };
    this.#end();
  }

  /** Its reader is told; the process may still be working on it. */
  fail(error: unknown): void {
    this.#hasFailed = true;
    this.#queue.fail(error);
  }

  /** Its reader is told, and the process is asked to stop at once. */
  cancel(error: unknown): void {
    this.fail(error);
    if (!this.#isOver && !this.#givenUp) this.#abort();
  }

  /** The process has died. One that was asked to stop will not say any more what it used. */
  processDied(): void {
    if (this.#givenUp) this.#end();
  }

  /** There is no process that works on it, and there will be none. */
  lose(error: unknown): void {
    this.#end();
    this.fail(error);
  }

  /** Resolves when the process works on it no longer. */
  async #stopped(): Promise<void> {
    if (this.#isOver) return;
    const over = new Promise<void>((resolve) => {
      this.#whenOver = resolve;
    });
    if (!this.#givenUp) this.#abort();
    await over;
  }

  #abort(): void {
    this.#givenUp = true;
    if (!this.#send({ type: "abort", id: this.id })) this.#end();
  }

  #end(): void {
    this.#isOver = true;
    this.#whenOver();
  }

  #finish(choice: number, { reason, completionTokens, rule }: NonNullable<StepOutput["finished"]>): void {
    this.#finished[choice] = completionTokens;
    this.#queue.push({ type: "finish", choice, reason, ...(rule !== undefined && { rule }) });
    if (!this.isDone) return;
    this.#end();
    const promptTokens = this.#promptTokens ?? 0;
    const cachedPromptTokens = Math.min(this.#cachedTokens ?? 0, promptTokens);
    const usage = { promptTokens, completionTokens: this.#completionTokens(), cachedPromptTokens, ...this.#drafted() };
    this.#queue.push({ type: "usage", usage: { ...usage, source: "engine" } });
    this.#queue.end();
  }

  /** Of a request that failed; undefined: no process has accepted it. */
  #used(): Usage | undefined {
    if (this.#promptTokens === undefined) return undefined;
    const seen = this.#completionTokens();
    const isKnown = this.isDone || this.#aborted !== undefined;
    // Choices share their prompt: once one of them has said something, all of it was evaluated.
    const share = seen > 0 || this.isDone ? 1 : (this.#aborted?.promptShare ?? 0);
    const promptTokens = Math.round(share * this.#promptTokens);
    return {
      promptTokens,
      completionTokens: seen,
      ...(this.#cachedTokens !== undefined && { cachedPromptTokens: Math.min(this.#cachedTokens, promptTokens) }),
      ...this.#drafted(),
      source: isKnown ? "engine" : "estimate",
    };
  }

  /** Finished choices say what they are charged; of the others the process knows more than was shown. */
  #completionTokens(): number {
    const finished = this.#finished.reduce<number>((sum, tokens) => sum + (tokens ?? 0), 0);
    const shown = this.#shown.filter((_, choice) => this.#finished[choice] === undefined);
    const unfinished = shown.reduce((sum, tokens) => sum + tokens, 0);
    return finished + Math.max(unfinished, this.#aborted?.completionTokens ?? 0);
  }

  #drafted(): Pick<Usage, "drafts"> {
    return this.#request.speculation ? { drafts: this.#drafts } : {};
  }
}
