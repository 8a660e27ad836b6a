import type { DeltaPart, EchoPart, FinishPart, Result, StreamPart, Usage } from "../continuation/output.ts";
import type { ServiceError } from "../errors.ts";
import type { CompletionsChoice, CompletionsResponse } from "../wire/openai/completions.ts";
import { choiceEvents } from "../wire/sse.ts";
import { joinedLogprobs, LegacyLogprobsPrinter } from "./logprobs.ts";
import type { Prompt } from "./prompts.ts";
import type { Dialect, Encoder } from "./protocol.ts";
import { closingEvents, failureEvent } from "./stream-end.ts";
import { usageToOpenAi } from "./usage.ts";

export interface CompletionsView {
  readonly dialect: Dialect;
  /** Lower-case UUID. */
  readonly requestId: string;
  readonly createdSeconds: number;
  /** The name the caller used. */
  readonly model: string;
  readonly prompts: readonly Prompt[];
  /** Choices shown per prompt. */
  readonly choices: number;
  readonly echo: boolean;
  /** Alternatives per token to show; absent: `logprobs` is null. */
  readonly logprobs?: number;
  readonly includeUsage: boolean;
}

/** `text_completion` bodies and chunks (docs/wire.md 2.1.2, 2.1.3). Choice = prompt × choices of a prompt + its own choice. */
export class CompletionsEncoder implements Encoder {
  readonly #view: CompletionsView;
  /** By prompt. */
  readonly #echo = new Map<number, EchoPart>();
  /** By choice; one exists, undefined where no log probabilities are shown, once something of the choice was shown. */
  readonly #printers = new Map<number, LegacyLogprobsPrinter | undefined>();
  #usage: Usage | undefined;

  /** One event with one choice. */
  readonly #chunk: (choice: CompletionsChoice) => string;

  constructor(view: CompletionsView) {
    this.#view = view;
    this.#chunk = choiceEvents(this.#body([]));
  }

  part(part: StreamPart): string {
    switch (part.type) {
      case "start":
        return "";
      case "echo":
        this.#keepEcho(part);
        return "";
      case "delta":
        return this.#echoed(part.choice) + this.#delta(part);
      case "finish":
        return this.#echoed(part.choice) + this.#finish(part);
      case "usage":
        this.#usage = part.usage;
        return "";
    }
  }

  end(): string {
    return closingEvents(this.#view.includeUsage ? this.#usage : undefined, (usage) => this.#body([], usage));
  }

  failure(error: ServiceError): string {
    const { dialect, requestId } = this.#view;
    return failureEvent(error, { dialect, requestId, idPrefix: "cmpl-" });
  }

  whole(result: Result): CompletionsResponse {
    for (const echo of result.echo) this.#keepEcho(echo);
    const choices = result.choices.map((choice, index): CompletionsChoice => {
      const printer = this.#printer(index);
      const echoed = this.#view.echo ? this.#promptText(index) : "";
      const prompt = printer?.prompt(echoed, this.#promptTokens(index));
      const answer = printer?.print(choice.text, choice.logprobs);
      const logprobs = prompt === undefined || answer === undefined ? null : joinedLogprobs(prompt, answer);
      return { text: echoed + choice.text, index, logprobs, finish_reason: choice.reason };
    });
    return this.#body(choices, result.usage);
  }

  #keepEcho(part: EchoPart): void {
    this.#echo.set(this.#promptOf(part.choice), part);
  }

  /** The prompt as sent, before the first text of a choice. */
  #echoed(choice: number): string {
    if (!this.#view.echo || this.#printers.has(choice)) return "";
    const text = this.#promptText(choice);
    const logprobs = this.#printer(choice)?.prompt(text, this.#promptTokens(choice)) ?? null;
    return this.#chunk({ text, index: choice, logprobs, finish_reason: null });
  }

  #delta({ choice, text, logprobs: tokens = [] }: DeltaPart): string {
    const logprobs = this.#printer(choice)?.print(text, tokens) ?? null;
    const isSilent = text === "" && (logprobs === null || logprobs.tokens.length === 0);
    return isSilent ? "" : this.#chunk({ text, index: choice, logprobs, finish_reason: null });
  }

  #finish({ choice, reason }: FinishPart): string {
    return this.#chunk({ text: "", index: choice, logprobs: null, finish_reason: reason });
  }

  #printer(choice: number): LegacyLogprobsPrinter | undefined {
    const { logprobs } = this.#view;
    const printer =
      this.#printers.get(choice) ?? (logprobs === undefined ? undefined : new LegacyLogprobsPrinter(logprobs));
    this.#printers.set(choice, printer);
    return printer;
  }

  #promptTokens(choice: number): EchoPart["tokens"] {
    return this.#view.echo ? (this.#echo.get(this.#promptOf(choice))?.tokens ?? []) : [];
  }

  /** Text as the caller sent it; the text of ids is known from their echo. */
  #promptText(choice: number): string {
    const prompt = this.#view.prompts[this.#promptOf(choice)];
    if (typeof prompt === "string") return prompt;
    return Buffer.from(this.#promptTokens(choice).flatMap(({ bytes }) => [...bytes])).toString("utf8");
  }

  #promptOf(choice: number): number {
    return Math.floor(choice / this.#view.choices);
  }

  #body(choices: CompletionsChoice[], usage?: Usage): CompletionsResponse {
    const { createdSeconds, model, dialect, requestId } = this.#view;
    return {
      id: `cmpl-${requestId}`,
      object: "text_completion",
      created: createdSeconds,
      model,
      choices,
      usage: usage === undefined ? null : usageToOpenAi(usage, dialect),
      system_fingerprint: null,
    };
  }
}
