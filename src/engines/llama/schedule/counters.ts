import type { SchedulerStats } from "../wire/messages.ts";
import type { Task } from "./task.ts";

/** What the scheduler has done since its process began. */
export class Counters {
  #promptTokens = 0;
  #cachedPromptTokens = 0;
  #completionTokens = 0;
  #draftedTokens = 0;
  #acceptedDraftTokens = 0;
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

  generated(tokens: number, drafts: { readonly proposed: number; readonly accepted: number }): void {
    this.#completionTokens += tokens;
    this.#draftedTokens += drafts.proposed;
    this.#acceptedDraftTokens += drafts.accepted;
  }

  /**
   * One request was aborted. Its choices may be at different places; it counts where the one furthest on was.
   *
   * @param seated choices in a slot, with the tokens that slot holds.
   */
  aborted(queued: readonly Task[], seated: readonly { readonly task: Task; readonly evaluated: number }[]): void {
    if (queued.length + seated.length === 0) return;
    const before = seated.length > 0 ? "prefill" : "queued";
    const hasBegun = [...queued, ...seated.map(({ task }) => task)].some((task) => task.generated > 0);
    this.#aborted[hasBegun ? "decode" : before] += 1;
    for (const task of queued) this.#saved(task, task.generated > 0 ? task.promptLength : 0);
    for (const { task, evaluated } of seated) this.#saved(task, evaluated);
  }

  snapshot(gauges: Pick<SchedulerStats, "queued" | "running" | "slots">): SchedulerStats {
    return {
      ...gauges,
      promptTokens: this.#promptTokens,
      cachedPromptTokens: this.#cachedPromptTokens,
      completionTokens: this.#completionTokens,
      draftedTokens: this.#draftedTokens,
      acceptedDraftTokens: this.#acceptedDraftTokens,
      aborted: { ...this.#aborted },
      savedPromptTokens: this.#savedPromptTokens,
      savedCompletionTokens: this.#savedCompletionTokens,
    };
  }

  /**
   * A limit says how long an answer may be, not how long it would have been, so completion tokens are an upper bound; without
   * a limit, and for a prompt that another choice would have shared, nothing is claimed.
   */
  #saved(task: Task, evaluated: number): void {
    if (task.leader === undefined) this.#savedPromptTokens += Math.max(0, task.promptLength - evaluated);
    if (Number.isFinite(task.maxTokens)) this.#savedCompletionTokens += Math.max(0, task.maxTokens - task.generated);
  }
}
