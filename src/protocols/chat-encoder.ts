import type { DeltaPart, Result, StreamPart, TokenLogprob, Usage } from "../continuation/output.ts";
import type { ServiceError } from "../errors.ts";
import type { ChatChunk, ChatChunkChoice, ChatLogprobs, ChatResponse } from "../wire/openai/chat.ts";
import { choiceEvents } from "../wire/sse.ts";
import { ChatLogprobsPrinter } from "./logprobs.ts";
import type { Dialect, Encoder } from "./protocol.ts";
import { closingEvents, failureEvent } from "./stream-end.ts";
import { usageToOpenAi } from "./usage.ts";

export interface ChatView {
  readonly dialect: Dialect;
  /** Lower-case UUID. */
  readonly requestId: string;
  readonly createdSeconds: number;
  /** The name the caller used. */
  readonly model: string;
  readonly choices: number;
  readonly showLogprobs: boolean;
  readonly includeUsage: boolean;
}

/** `chat.completion` bodies and chunks (docs/wire.md 2.2.3, 2.2.4). The assistant prefix is never sent back. */
export class ChatEncoder implements Encoder {
  readonly #view: ChatView;
  /** By choice; empty unless log probabilities are shown. */
  readonly #printers = new Map<number, ChatLogprobsPrinter>();
  #usage: Usage | undefined;
  #isOpen = false;

  /** One event with one choice. */
  readonly #chunk: (choice: ChatChunkChoice) => string;

  constructor(view: ChatView) {
    this.#view = view;
    this.#chunk = choiceEvents(this.#body([]));
  }

  part(part: StreamPart): string {
    switch (part.type) {
      case "start":
        return "";
      case "delta":
        return this.#delta(part);
      case "finish":
        return this.#said({ delta: { content: "" }, finish_reason: part.reason, index: part.choice, logprobs: null });
      case "usage":
        this.#usage = part.usage;
        return "";
      case "echo":
        return "";
    }
  }

  end(): string {
    return closingEvents(this.#view.includeUsage ? this.#usage : undefined, (usage) => this.#body([], usage));
  }

  failure(error: ServiceError): string {
    const { dialect, requestId } = this.#view;
    return failureEvent(error, { dialect, requestId, idPrefix: "chatcmpl-" });
  }

  whole(result: Result): ChatResponse {
    const choices = result.choices.map((choice, index): ChatResponse["choices"][number] => ({
      message: { role: "assistant", content: choice.text },
      finish_reason: choice.reason,
      index,
      logprobs: this.#logprobs(index, choice.text, choice.logprobs),
    }));
    const usage = usageToOpenAi(result.usage, this.#view.dialect);
    return { choices, object: "chat.completion", usage, ...this.#envelope() };
  }

  /** Nothing before the first text, so that until then another name may answer. */
  #said(choice: ChatChunkChoice): string {
    return this.#openings() + this.#chunk(choice);
  }

  /** Clients expect the role in the first delta of every choice. */
  #openings(): string {
    if (this.#isOpen) return "";
    this.#isOpen = true;
    return Array.from({ length: this.#view.choices }, (_, index) =>
      this.#chunk({ delta: { content: "", role: "assistant" }, finish_reason: null, index, logprobs: null }),
    ).join("");
  }

  #delta({ choice, text, logprobs: tokens = [] }: DeltaPart): string {
    const logprobs = this.#logprobs(choice, text, tokens);
    const isSilent = text === "" && (logprobs === null || logprobs.content.length === 0);
    return isSilent ? "" : this.#said({ delta: { content: text }, finish_reason: null, index: choice, logprobs });
  }

  #logprobs(choice: number, text: string, tokens: readonly TokenLogprob[]): ChatLogprobs | null {
    if (!this.#view.showLogprobs) return null;
    const printer = this.#printers.get(choice) ?? new ChatLogprobsPrinter();
    this.#printers.set(choice, printer);
    return printer.print(text, tokens);
  }

  #body(choices: ChatChunkChoice[], usage?: Usage): ChatChunk {
    return {
      choices,
      object: "chat.completion.chunk",
      usage: usage === undefined ? null : usageToOpenAi(usage, this.#view.dialect),
      ...this.#envelope(),
    };
  }

  #envelope(): Pick<ChatChunk, "created" | "system_fingerprint" | "model" | "id"> {
    const { createdSeconds, model, requestId } = this.#view;
    return { created: createdSeconds, system_fingerprint: null, model, id: `chatcmpl-${requestId}` };
  }
}
