import type { DeltaPart, FinishPart, FinishReason, Result, StreamPart, Usage } from "../continuation/output.ts";
import type { ServiceError } from "../errors.ts";
import type { GenerationFinishReason, GenerationResponse } from "../wire/dashscope/generation.ts";
import { dashScopeEvent } from "../wire/sse.ts";
import { dashScopeFailure } from "./errors.ts";
import type { Encoder } from "./protocol.ts";
import { usageToDashScope } from "./usage.ts";

export interface GenerationView {
  /** Lower-case UUID. */
  readonly requestId: string;
  readonly format: "text" | "message";
  /** Each event holds new text only; else all text so far. */
  readonly incremental: boolean;
  /** More than 1 needs the message format. */
  readonly choices: number;
}

/**
 * DashScope's own answers and events (docs/wire.md 2.3.2, 2.3.3).
 *
 * The event that closes the last choice carries the final usage, so it waits for the `usage` part.
 */
export class GenerationEncoder implements Encoder {
  readonly #view: GenerationView;
  /** By choice. */
  readonly #texts = new Map<number, string>();
  /** So far: every event has it, and an engine may tell of the prompt last. */
  #usage = { promptTokens: 0, completionTokens: 0 };
  #unfinished: number;
  #lastFinish: FinishPart | undefined;
  #events = 0;

  constructor(view: GenerationView) {
    this.#view = view;
    this.#unfinished = view.choices;
  }

  part(part: StreamPart): string {
    switch (part.type) {
      case "start":
        this.#usage.promptTokens = part.promptTokens ?? 0;
        return "";
      case "echo":
        return "";
      case "delta":
        return this.#delta(part);
      case "finish":
        this.#unfinished -= 1;
        if (this.#unfinished > 0) return this.#close(part, this.#usage);
        this.#lastFinish = part;
        return "";
      case "usage":
        return this.#closeLast(part.usage);
    }
  }

  end(): string {
    return this.#closeLast(this.#usage);
  }

  failure(error: ServiceError): string {
    const { status, body } = dashScopeFailure(error, this.#view.requestId);
    this.#events += 1;
    return dashScopeEvent({ id: this.#events, event: "error", status, data: body });
  }

  whole(result: Result): GenerationResponse {
    const output = this.#output(result.choices.map(({ text, reason }, index) => ({ index, text, reason })));
    return { output, usage: usageToDashScope(result.usage), request_id: this.#view.requestId };
  }

  #delta({ choice, text, tokens = [] }: DeltaPart): string {
    this.#usage.completionTokens += tokens.length;
    if (text === "") return "";
    const whole = this.#textOf(choice) + text;
    this.#texts.set(choice, whole);
    return this.#event({ index: choice, text: this.#view.incremental ? text : whole, reason: null }, this.#usage);
  }

  #closeLast(usage: ReportedUsage): string {
    const finish = this.#lastFinish;
    if (finish === undefined) return "";
    this.#lastFinish = undefined;
    // What was reported never goes down again, whatever the engine's last word is.
    const completionTokens = Math.max(usage.completionTokens, this.#usage.completionTokens);
    const promptTokens = Math.max(usage.promptTokens, this.#usage.promptTokens);
    return this.#close(finish, { ...usage, promptTokens, completionTokens });
  }

  #close({ choice, reason }: FinishPart, usage: ReportedUsage): string {
    return this.#event({ index: choice, text: this.#view.incremental ? "" : this.#textOf(choice), reason }, usage);
  }

  #textOf(choice: number): string {
    return this.#texts.get(choice) ?? "";
  }

  #event(choice: ShownChoice, usage: ReportedUsage): string {
    this.#events += 1;
    const data: GenerationResponse = {
      output: this.#output([choice]),
      usage: usageToDashScope(usage),
      request_id: this.#view.requestId,
    };
    return dashScopeEvent({ id: this.#events, event: "result", status: 200, data });
  }

  #output(choices: readonly ShownChoice[]): GenerationResponse["output"] {
    const [first] = choices;
    if (this.#view.format === "text" && first !== undefined) {
      return { finish_reason: printReason(first.reason), text: first.text };
    }
    const isNumbered = this.#view.choices > 1;
    return {
      choices: choices.map(({ index, text, reason }) => ({
        message: { content: text, role: "assistant" },
        finish_reason: printReason(reason),
        ...(isNumbered ? { index } : {}),
      })),
    };
  }
}

interface ShownChoice {
  readonly index: number;
  readonly text: string;
  readonly reason: FinishReason | null;
}

type ReportedUsage = Pick<Usage, "promptTokens" | "completionTokens" | "cachedPromptTokens">;

/** Clients compare with the string. */
function printReason(reason: FinishReason | null): GenerationFinishReason {
  return reason ?? "null";
}
