import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Timer } from "./timer.ts";

const late = () => new Error("too late");

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("time that passes while nothing is waited for does not count", () => {
  const timer = new Timer(new AbortController().signal);
  timer.start(10, late);
  timer.stopWaiting();
  vi.advanceTimersByTime(30);
  const wasAborted = timer.signal.aborted;

  timer.start(10, late);
  vi.advanceTimersByTime(9);
  const wasEarly = timer.signal.aborted;
  vi.advanceTimersByTime(1);

  expect([wasAborted, wasEarly]).toEqual([false, false]);
  expect(timer.signal.reason).toEqual(late());
});

test("another limit takes the place of the one before", () => {
  const timer = new Timer(new AbortController().signal);
  timer.start(10_000, () => new Error("the first"));
  timer.start(10, late);

  vi.advanceTimersByTime(10);

  expect(timer.signal.reason).toEqual(late());
});

test("a limit of 0 never passes, and takes back the one before", () => {
  const timer = new Timer(new AbortController().signal);
  timer.start(10, late);
  timer.start(0, late);

  vi.advanceTimersByTime(30);

  expect(timer.signal.aborted).toBe(false);
});
