import type { Usage } from "../continuation/output.ts";
import type { Admission, Reservation } from "./meter.ts";
import type { Counts, Ending, Progress } from "./reservations.ts";

/** What keeps the account for a request. None of its functions rejects. */
export interface Keeper {
  /** Resolves when the counts as they are now have been written. */
  write(request: RunningRequest): Promise<void>;
  record(request: RunningRequest, ending: Ending): Promise<void>;
  forget(request: RunningRequest): Promise<void>;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Counts what a request uses; writing is somebody else's, one write at a time. */
export class RunningRequest implements Reservation {
  readonly id: string;
  readonly #limitIds: readonly string[];
  readonly #completionBound: number;
  readonly #keeper: Keeper;
  readonly #guessedPromptTokens: number;
  #promptTokens = 0;
  #produced = 0;
  #delivered = 0;
  #usage: Usage | undefined;
  /** Until the engine has said what the prompt takes, the guess stays reserved. */
  #reservedForPrompt: number;
  #written: Counts;
  #writing: Promise<void> | undefined;

  /** @param limitIds those that it holds. */
  constructor(admission: Admission, limitIds: readonly string[], keeper: Keeper) {
    this.id = admission.id;
    this.#limitIds = limitIds;
    this.#completionBound = admission.completionTokens;
    this.#guessedPromptTokens = admission.promptTokens;
    this.#reservedForPrompt = admission.promptTokens;
    this.#keeper = keeper;
    this.#written = this.#counts();
  }

  async accepted(promptTokens: number | undefined): Promise<void> {
    this.#promptTokens = promptTokens ?? this.#guessedPromptTokens;
    this.#reservedForPrompt = 0;
    await this.#keeper.write(this);
  }

  produced(tokens: number): void {
    this.#produced += tokens;
  }

  delivered(): void {
    this.#delivered = this.#produced;
  }

  used(usage: Usage): void {
    this.#usage = usage;
  }

  settle(outcome: string): Promise<void> {
    const seen = { promptTokens: this.#promptTokens, completionTokens: this.#produced, source: "estimate" } as const;
    const { promptTokens, completionTokens, cachedPromptTokens, source }: Usage = this.#usage ?? seen;
    return this.#keeper.record(this, {
      endedAtMs: this.#keeper.now(),
      promptTokens,
      completionTokens,
      ...(cachedPromptTokens !== undefined && { cachedPromptTokens }),
      outcome,
      isEstimate: source === "estimate",
    });
  }

  cancel(): Promise<void> {
    return this.#keeper.forget(this);
  }

  /** There is something to write, and nobody is writing. */
  get isDue(): boolean {
    const { promptTokens, completionTokens } = this.#written;
    const hasChanged = promptTokens !== this.#promptTokens || completionTokens !== this.#delivered;
    return hasChanged && this.#writing === undefined;
  }

  progress(): Progress {
    return { id: this.id, limitIds: this.#limitIds, written: this.#written, now: this.#counts() };
  }

  /** @param writing resolves with what is in the row then; undefined: what was. */
  startWriting(writing: Promise<Counts | undefined>): void {
    this.#writing = writing.then((counts) => {
      if (counts !== undefined) this.#written = counts;
      this.#writing = undefined;
    });
  }

  /** Resolves when nobody is writing. */
  async written(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  #counts(): Counts {
    return {
      promptTokens: this.#promptTokens,
      completionTokens: this.#delivered,
      reservedTokens: this.#reservedForPrompt + Math.max(0, this.#completionBound - this.#delivered),
    };
  }
}
