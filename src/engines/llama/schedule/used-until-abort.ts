import type { AbortedMessage } from "../wire/messages.ts";
import type { Slot } from "./slot.ts";
import type { Task } from "./task.ts";

/**
 * @param seated choices of the aborted request that have a slot.
 * @param queued those that wait for one: anew, or again, because their reader was behind.
 */
export function usedUntilAbort(
  id: number,
  seated: readonly { readonly slot: Pick<Slot, "tokens">; readonly task: Task }[],
  queued: readonly Task[],
): AbortedMessage {
  // The choices share their prompt, so the one furthest on tells how much of it was evaluated.
  const shares = seated.map(({ slot, task }) => Math.min(1, slot.tokens.length / task.promptLength));
  if (queued.some((task) => task.generated > 0)) shares.push(1);
  const tasks = [...queued, ...seated.map(({ task }) => task)];
  const completionTokens = tasks.reduce((sum, task) => sum + task.completionTokens, 0);
  return { type: "aborted", id, promptShare: Math.max(0, ...shares), completionTokens };
}
