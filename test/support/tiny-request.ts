/** A request to the scheduler of a tiny model, as a test follows it. */
import type { GapRule } from "../../src/continuation/gap/gap-end.ts";
import type { EchoPart, FinishReason, TokenLogprob } from "../../src/continuation/output.ts";
import type {
  AbortedMessage,
  AcceptedMessage,
  RefusedMessage,
  StepOutput,
} from "../../src/engines/llama/wire/messages.ts";

export interface Answer {
  readonly text: string;
  readonly generated: readonly number[];
  readonly shown: readonly number[];
  readonly logprobs: readonly TokenLogprob[];
  readonly reason: FinishReason;
  readonly rule?: GapRule;
  readonly completionTokens: number;
  readonly cachedTokens: number | undefined;
}

/** A request under way; every list grows as the scheduler speaks. */
export class TinyRequest {
  readonly id: number;
  readonly outputs: StepOutput[] = [];
  accepted: AcceptedMessage | undefined;
  refused: RefusedMessage | undefined;
  aborted: AbortedMessage | undefined;
  echo: EchoPart["tokens"] | undefined;
  readonly #watchers: { readonly holds: () => boolean; readonly tell: () => void }[] = [];
  readonly #choices: readonly number[];

  constructor(id: number, choices: readonly number[]) {
    this.id = id;
    this.#choices = choices;
  }

  /** Resolves as soon as `holds` does; the scheduler computes its next step meanwhile. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      if (holds()) resolve();
      else this.#watchers.push({ holds, tell: resolve });
    });
  }

  /** Resolves when choice 0 has generated `count` tokens. */
  generated(count: number): Promise<void> {
    return this.until(() => this.outputs.flatMap((output) => output.generated).length >= count);
  }

  /** All choices, in order. */
  async answers(): Promise<readonly Answer[]> {
    await this.until(
      () => this.refused !== undefined || this.#choices.every((choice) => this.#finish(choice) !== undefined),
    );
    if (this.refused !== undefined) throw new Error(`refused: ${this.refused.message}`);
    return this.#choices.map((choice) => this.#answer(choice));
  }

  async answer(): Promise<Answer> {
    const [first] = await this.answers();
    if (first === undefined) throw new Error("a request without choices");
    return first;
  }

  hear(): void {
    for (const watcher of [...this.#watchers]) {
      if (!watcher.holds()) continue;
      this.#watchers.splice(this.#watchers.indexOf(watcher), 1);
      watcher.tell();
    }
  }

  #finish(choice: number): StepOutput["finished"] {
    return this.outputs.find((output) => output.choice === choice && output.finished !== undefined)?.finished;
  }

  #answer(choice: number): Answer {
    const outputs = this.outputs.filter((output) => output.choice === choice);
    const finished = this.#finish(choice);
    if (finished === undefined) throw new Error(`choice ${choice} has not finished`);
    return {
      text: outputs.map((output) => output.text).join(""),
      generated: outputs.flatMap((output) => output.generated),
      shown: outputs.flatMap((output) => output.shown),
      logprobs: outputs.flatMap((output) => output.logprobs ?? []),
      cachedTokens: outputs.find((output) => output.cachedTokens !== undefined)?.cachedTokens,
      ...finished,
    };
  }
}
