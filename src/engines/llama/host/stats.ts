import type { SchedulerStats } from "../wire/messages.ts";

export const NO_STATS: SchedulerStats = {
  queued: 0,
  running: 0,
  slots: 0,
  promptTokens: 0,
  cachedPromptTokens: 0,
  completionTokens: 0,
  draftedTokens: 0,
  acceptedDraftTokens: 0,
  aborted: { queued: 0, prefill: 0, decode: 0 },
  savedPromptTokens: 0,
  savedCompletionTokens: 0,
};

export function addStats(a: SchedulerStats, b: SchedulerStats): SchedulerStats {
  return {
    queued: a.queued + b.queued,
    running: a.running + b.running,
    slots: a.slots + b.slots,
    promptTokens: a.promptTokens + b.promptTokens,
    cachedPromptTokens: a.cachedPromptTokens + b.cachedPromptTokens,
    completionTokens: a.completionTokens + b.completionTokens,
    draftedTokens: a.draftedTokens + b.draftedTokens,
    acceptedDraftTokens: a.acceptedDraftTokens + b.acceptedDraftTokens,
    aborted: {
      queued: a.aborted.queued + b.aborted.queued,
      prefill: a.aborted.prefill + b.aborted.prefill,
      decode: a.aborted.decode + b.aborted.decode,
    },
    savedPromptTokens: a.savedPromptTokens + b.savedPromptTokens,
    savedCompletionTokens: a.savedCompletionTokens + b.savedCompletionTokens,
  };
}
