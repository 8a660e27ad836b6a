import type { SchedulerStats } from "./messages.ts";
import type { Task } from "./task.ts";

/** What the scheduler has done since its process began. */
export class Counters {
  #promptTokens = 0;
  #cachedPromptTokens = 0;
  #completionTokens = 0;
  readonly #aborted = { queued: 0, prefill: 0, decode: 0 };
  #savedPromptTokens = 0;
  #savedCompletionTokens = 0;

  seated(task: Task): void {
    this.#cachedPromptTokens += task.cachedTokens ?? 0;
  }

  /** Rows from `start` to `end` of the task's tokens were computed. */
  evaluated(task: Task, start: number, end: number): void {
    this.#promptTokens += Math.max(0, Math.min(end, task.promptLength) - start);
  }

  generated(): void {
    this.#completionTokens += 1;
  }

  /** @param tasks the choices of one request. */
  abortedQueued(tasks: readonly Task[]): void {
    this.#aborted.queued += 1;
    for (const task of tasks) this.#saved(task, 0);
  }

  abortedRunning(task: Task, evaluated: number): void {
    this.#aborted[task.generated > 0 ? "decode" : "prefill"] += 1;
    this.#saved(task, evaluated);
  }

  snapshot(gauges: Pick<SchedulerStats, "queued" | "running" | "slots">): SchedulerStats {
    return {
      ...gauges,
      promptTokens: this.#promptTokens,
      cachedPromptTokens: this.#cachedPromptTokens,
      completionTokens: this.#completionTokens,
      aborted: { ...this.#aborted },
      savedPromptTokens: this.#savedPromptTokens,
      savedCompletionTokens: this.#savedCompletionTokens,
    };
  }

  /** Without a limit of the caller's nobody knows how long the answer would have been: then nothing is claimed. */
  #saved(task: Task, evaluated: number): void {
    this.#savedPromptTokens += Math.max(0, task.promptLength - evaluated);
    if (Number.isFinite(task.maxTokens)) this.#savedCompletionTokens += Math.max(0, task.maxTokens - task.generated);
  }
}
