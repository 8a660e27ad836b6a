/** What tests of the scheduler on a tiny model share: requests, and a scheduler for each test. */
import { type Asked, type NativeTiny, TinyScheduler, type TinySchedulerOptions } from "./tiny-scheduler.ts";

/** About 450 tokens. */
export const LONG = "def quick_sort(values):\n    if len(values) < 2:\n        return values\n".repeat(12);

/** What computing rows together or one by one may change in a log probability of this model. */
export const NOISE = 0.1;

/** Drawn, not greedy. */
export const SEEDED: Asked = { sampling: { temperature: 1, topP: 0.95, repetitionPenalty: 1.1 }, seed: "77" };

/** Schedulers over a model, and how long its vocabulary makes a text. */
export function scheduling(tiny: NativeTiny) {
  /** Lets a test act on a scheduler of its own, which is gone afterwards. */
  async function withScheduler(
    options: TinySchedulerOptions,
    act: (scheduler: TinyScheduler) => Promise<void>,
  ): Promise<void> {
    const scheduler = new TinyScheduler(tiny, options);
    await act(scheduler);
    await scheduler.idle();
    scheduler.dispose();
  }

  function tokensOf(text: string): number {
    return tiny.model.encode({ text }).length;
  }

  return { withScheduler, tokensOf };
}
