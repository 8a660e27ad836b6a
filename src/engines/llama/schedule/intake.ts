import {
  arrangePrompt,
  type EncodedPrompt,
  encodeParts,
  fitPrompt,
  type PartTokens,
} from "../../../continuation/encode-prompt.ts";
import { ServiceError } from "../../../errors.ts";
import type { NativeModel } from "../native/model.ts";
import { tokensToHeal } from "../pick/healing.ts";
import type { GenerateMessage } from "../wire/messages.ts";
import { Task } from "./task.ts";

/** Longer texts, in UTF-16 units, are tokenized aside: this many take some ten milliseconds. */
const LONG_UNITS = 1 << 16;

export interface IntakeOptions {
  /** Most tokens of a slot. */
  readonly slotTokens: number;
  readonly now: () => number;
  /** The request is ready to be queued: its prompt, and a task per choice that is not over. */
  readonly admit: (message: GenerateMessage, prompt: EncodedPrompt, tasks: readonly Task[]) => void;
  readonly refuse: (id: number, error: unknown) => void;
}

/** Makes tasks of requests. A long prompt is tokenized beside the steps of others, who need not wait for it. */
export class Intake {
  readonly #model: NativeModel;
  readonly #options: IntakeOptions;
  /** Requests whose prompts are being tokenized, and what has been said of them meanwhile. */
  readonly #pending = new Map<number, { paused: boolean }>();
  /** Settles when the last of them has been tokenized. One at a time: steps need threads of the same few. */
  #tokenized: Promise<unknown> = Promise.resolve();

  constructor(model: NativeModel, options: IntakeOptions) {
    this.#model = model;
    this.#options = options;
  }

  get pending(): number {
    return this.#pending.size;
  }

  /** Answers with `admit` or `refuse`: at once, unless the prompt is long. */
  take(message: GenerateMessage): void {
    try {
      const prompt = fitPrompt(message.prompt, message.limits, this.#roomTokens, this.#model.pieces.longest);
      const fitted = { ...message, prompt };
      if (isLong(fitted)) void this.#takeAside(fitted);
      else
        this.#admit(
          fitted,
          encodeParts(prompt, (part) => this.#model.encode(part)),
        );
    } catch (error) {
      this.#options.refuse(message.id, error);
    }
  }

  /** Nothing more comes of the request. */
  abort(id: number): void {
    this.#pending.delete(id);
  }

  pause(id: number, paused: boolean): void {
    const pending = this.#pending.get(id);
    if (pending !== undefined) pending.paused = paused;
  }

  async #takeAside(message: GenerateMessage): Promise<void> {
    const { id } = message;
    const state = { paused: false };
    this.#pending.set(id, state);
    const encoding = this.#tokenized.then(() => this.#encodeAside(message, () => this.#pending.get(id) !== state));
    this.#tokenized = encoding.catch(() => {}); // told below
    try {
      const encoded = await encoding;
      if (encoded !== undefined) this.#admit(message, encoded, state.paused);
    } catch (error) {
      if (this.#pending.get(id) === state) this.#options.refuse(id, error);
    } finally {
      if (this.#pending.get(id) === state) this.#pending.delete(id);
    }
  }

  /** Undefined when the request is over before. */
  async #encodeAside(
    { prompt }: GenerateMessage,
    isOver: () => boolean,
  ): Promise<readonly (readonly PartTokens[])[] | undefined> {
    const encoded: PartTokens[][] = [];
    for (const { parts } of prompt.sections) {
      const section: PartTokens[] = [];
      for (const part of parts) {
        if (isOver()) return undefined;
        section.push(await this.#model.encodeAside(part));
      }
      encoded.push(section);
    }
    return isOver() ? undefined : encoded;
  }

  #admit(message: GenerateMessage, encoded: readonly (readonly PartTokens[])[], paused = false): void {
    const prompt = arrangePrompt(message.prompt, encoded, message.limits, {
      roomTokens: this.#roomTokens,
      tokensToHeal: (tokens, bytes) => (heals(message) ? tokensToHeal(tokens, bytes, this.#model.pieces) : 0),
    });
    const tasks = this.#tasksOf(message, prompt);
    for (const task of tasks) task.paused = paused;
    this.#options.admit(message, prompt, tasks);
  }

  #tasksOf(message: GenerateMessage, prompt: EncodedPrompt): readonly Task[] {
    const tasks: Task[] = [];
    for (const [choice, replay] of message.choices.entries()) {
      if (replay === null) continue;
      tasks.push(new Task(message, choice, prompt, this.#model, this.#options.now(), tasks[0]));
    }
    return tasks;
  }

  /** One token of the slot is the answer's. */
  get #roomTokens(): number {
    return this.#options.slotTokens - 1;
  }
}

function isLong({ prompt }: GenerateMessage): boolean {
  let units = 0;
  for (const { parts } of prompt.sections) for (const part of parts) if ("text" in part) units += part.text.length;
  return units > LONG_UNITS;
}

/** The prompt's own scores need the prompt as it is, and without an answer there is nothing to spell. */
function heals({ healing, promptLogprobs, limits }: GenerateMessage): boolean {
  return healing && !promptLogprobs && limits.maxTokens !== 0;
}

/** What a request is refused with; anything but a `ServiceError` is a fault of ours, which must not take the others down. */
export function refusalOf(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new ServiceError("internal", `the engine failed at this request: ${reason}`, { cause: error });
}
