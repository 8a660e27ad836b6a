import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { withReads } from "../wire/progress.ts";
import { type Condition, Watchdog } from "./watchdog.ts";

const MAXIMUM_MS = 120_000;

/** A watchdog that looks once a second, with the seconds it takes to come to each condition. */
function watched(maximumMs = MAXIMUM_MS) {
  let nowMs = 5_000;
  const watchdog = new Watchdog(maximumMs, nowMs);
  const secondsUntil = (wanted: Condition, meanwhile: () => void = () => {}): number => {
    for (let second = 1; second <= 1_000; second += 1) {
      nowMs += 1_000;
      meanwhile();
      if (watchdog.look(nowMs) === wanted) return second;
    }
    return Number.POSITIVE_INFINITY;
  };
  const sleep = (ms: number): void => {
    nowMs += ms;
  };
  return { watchdog, secondsUntil, sleep, look: () => watchdog.look(nowMs) };
}

const STEP = { count: 7, activity: "a step of 4 rows", expectedMs: 20 };

test("a step whose speed is known is given ten seconds, and doubted after five", () => {
  const { watchdog, secondsUntil } = watched();
  watchdog.heard(STEP);

  expect(secondsUntil("doubtful")).toBe(5);
  expect(secondsUntil("hung")).toBe(5);
});

test("a process that answers while its step makes no progress hangs all the same", () => {
  const { watchdog, secondsUntil } = watched();
  watchdog.heard(STEP);

  expect(secondsUntil("hung", () => watchdog.heard(STEP))).toBe(10);
  expect(watchdog.finding).toBe("no progress for 10.0 s, it answers; last seen: a step of 4 rows (usually 20 ms)");
});

test("a step that reads evicted weights from a slow disk does not hang, one that has read them and goes on does", () => {
  const { watchdog, secondsUntil } = watched();
  const usage = { majorPageFault: 3, fsRead: 0 };
  const read = (blocks: number) => (): void => {
    usage.fsRead += blocks;
    watchdog.heard(withReads(STEP, usage));
  };

  expect(secondsUntil("doubtful", read(2_000))).toBe(Number.POSITIVE_INFINITY);
  expect(secondsUntil("hung", read(0))).toBe(9); // the last reading was seen a second ago
});

test("a process that stops answering hangs, also when it was idle", () => {
  const { watchdog, secondsUntil } = watched();
  watchdog.heard({ count: 7 });

  expect(secondsUntil("hung")).toBe(10);
  expect(watchdog.finding).toBe("no progress for 10.0 s, it does not answer; last seen: idle");
});

test("an idle process that answers is well for ever, and so is one whose steps end", () => {
  const idle = watched();
  const busy = watched();
  let count = 0;

  expect(idle.secondsUntil("doubtful", () => idle.watchdog.heard({ count: 7 }))).toBe(Number.POSITIVE_INFINITY);
  expect(busy.secondsUntil("doubtful", () => busy.watchdog.heard({ ...STEP, count: ++count }))).toBe(
    Number.POSITIVE_INFINITY,
  );
});

test("a slow step is given thirty times what it usually takes, but no more than the maximum", () => {
  const slow = watched();
  slow.watchdog.heard({ ...STEP, expectedMs: 2_000 });
  const slower = watched();
  slower.watchdog.heard({ ...STEP, expectedMs: 60_000 });

  expect(slow.secondsUntil("hung")).toBe(60);
  expect(slower.secondsUntil("hung")).toBe(120);
});

test("what nobody has measured, such as loading or a first step, is given the maximum", () => {
  const { watchdog, secondsUntil } = watched();
  expect(secondsUntil("doubtful")).toBe(60);

  watchdog.heard({ count: 1, activity: "loading the weights" });

  expect(secondsUntil("hung", () => watchdog.heard({ count: 1, activity: "loading the weights" }))).toBe(120);
});

test("progress after a doubt makes it well again", () => {
  const { watchdog, secondsUntil, look } = watched();
  watchdog.heard(STEP);
  expect(secondsUntil("doubtful")).toBe(5);

  watchdog.heard({ ...STEP, count: 8 });

  expect(look()).toBe("well");
});

describe("time in which the server itself stood still", () => {
  test("does not count: a machine that slept for a night", () => {
    const { watchdog, sleep, look } = watched();
    watchdog.heard(STEP);

    sleep(8 * 3_600_000);

    expect(look()).toBe("well");
  });

  test("counts for two looks at most, whatever the jumps", () => {
    const jumps = fc.array(fc.integer({ min: 0, max: 100_000_000 }), { maxLength: 4 });
    fc.assert(
      fc.property(jumps, (milliseconds) => {
        const { watchdog, sleep, look } = watched();
        watchdog.heard(STEP);
        for (const ms of milliseconds) {
          sleep(ms);
          expect(look()).not.toBe("hung");
        }
      }),
    );
  });
});

test("without a maximum nothing hangs", () => {
  const { watchdog, secondsUntil } = watched(Number.POSITIVE_INFINITY);
  watchdog.heard(STEP);

  expect(secondsUntil("hung")).toBe(Number.POSITIVE_INFINITY);
});

test("a short maximum is looked after more often", () => {
  expect(new Watchdog(2_000, 0).periodMs).toBe(250);
  expect(new Watchdog(MAXIMUM_MS, 0).periodMs).toBe(1_000);
});
