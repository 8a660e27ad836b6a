import { describe, expect, test } from "vitest";
import { scheduling } from "../../../../test/support/scheduling.ts";
import type { TinyRequest } from "../../../../test/support/tiny-request.ts";
import { type Asked, loadNativeTiny, type TinySchedulerOptions } from "../../../../test/support/tiny-scheduler.ts";

const tiny = await loadNativeTiny();
const { withScheduler } = scheduling(tiny);

/** About 770 tokens. */
const LONG = "def quick_sort(values):\n    if len(values) < 2:\n        return values\n".repeat(16);

/**
 * Sends a request while a long step of another one's prompt runs, on a machine that takes 3 ms for a row. Tells which of
 * the two had its first token first, and whether the step was stopped.
 *
 * @param running its prompt has some 770 tokens, of which some 250 are left when the newcomer arrives.
 */
async function arrival(running: Asked, newcomer: Asked) {
  let nowMs = 0;
  let onStep = (): void => {};
  const seen = { first: "", wasStopped: false, isWhole: false };
  const options: TinySchedulerOptions = {
    deterministic: false,
    now: () => nowMs,
    onStep: (rows) => {
      nowMs += 3 * rows;
      onStep();
    },
  };
  await withScheduler(options, async (scheduler) => {
    await scheduler.ask({ prompt: LONG, limits: { maxTokens: 3 } }).answer();
    const other = new Promise<TinyRequest>((resolve) => {
      let steps = 0;
      onStep = () => {
        steps += 1;
        if (steps === 2) resolve(scheduler.ask({ limits: { maxTokens: 2 }, ...newcomer }));
      };
    });
    const long = scheduler.ask({ prompt: `${LONG.slice(4)}\n`, limits: { maxTokens: 3 }, ...running });
    await Promise.all([long.answer(), (await other).answer()]);

    const ids = [long.id, (await other).id];
    const starts = scheduler.said.flatMap((each) => ("generated" in each && each.generated.length > 0 ? each.id : []));
    seen.first = starts.find((id) => ids.includes(id)) === long.id ? "running" : "newcomer";
    seen.wasStopped = scheduler.outcomes.includes("aborted");
    seen.isWhole = (await long.answer()).generated.length === 3;
  });
  return seen;
}

describe("a long step of a prompt", () => {
  test("is stopped for a shorter request, and nothing is lost", async () => {
    expect(await arrival({}, {})).toEqual({ first: "newcomer", wasStopped: true, isWhole: true });
  });

  test("goes on when a shorter batch request comes beside an interactive one", async () => {
    expect(await arrival({}, { lane: "batch" })).toEqual({ first: "running", wasStopped: false, isWhole: true });
  });

  test("is stopped for an interactive request that is longer, when it is a batch request's", async () => {
    const longer = LONG.toUpperCase();

    expect(await arrival({ lane: "batch" }, { prompt: longer })).toMatchObject({ wasStopped: true });
  });

  test("is stopped for a longer request of which little is left to evaluate", async () => {
    expect(await arrival({}, { prompt: `${LONG}print(` })).toMatchObject({ first: "newcomer", wasStopped: true });
  });

  test("goes on when there is more left to evaluate of the newcomer", async () => {
    expect(await arrival({}, { prompt: LONG.toUpperCase() })).toMatchObject({ first: "running", wasStopped: false });
  });
});
