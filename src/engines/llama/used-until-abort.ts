import type { AbortedMessage } from "./messages.ts";
import type { Slot } from "./slot.ts";
import type { Task } from "./task.ts";

/** @param seated choices of the aborted request that have a slot; those that wait for one have used nothing. */
export function usedUntilAbort(
  id: number,
  seated: readonly { readonly slot: Pick<Slot, "tokens">; readonly task: Task }[],
): AbortedMessage {
  // The choices share their prompt, so the one furthest on tells how much of it was evaluated.
  const shares = seated.map(({ slot, task }) => Math.min(1, slot.tokens.length / task.promptLength));
  const completionTokens = seated.reduce((sum, { task }) => sum + task.completionTokens, 0);
  return { type: "aborted", id, promptShare: Math.max(0, ...shares), completionTokens };
}
