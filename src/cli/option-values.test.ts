import { expect, test } from "vitest";
import { duration, instant } from "./option-values.ts";

test.each([
  ["90d", 7_776_000_000],
  ["12h", 43_200_000],
  ["1h30m", 5_400_000],
  ["45s", 45_000],
  ["0", 0],
])("the time %s is %i ms", (text, ms) => {
  expect(duration(text)).toBe(ms);
});

test.each(["", "90", "d", "1.5h", "-1h", "1h 30m", "1w", "9999999d"])("%j is no time", (text) => {
  expect(() => duration(text)).toThrow("Expected a time such as 30m, 12h or 90d.");
});

test.each([
  ["2026-01-31", 1_769_817_600_000],
  ["2026-01-31T12:00Z", 1_769_860_800_000],
  ["2026-01-31T20:00+08:00", 1_769_860_800_000],
])("the instant %s is %i", (text, ms) => {
  expect(instant(text)).toBe(ms);
});

test.each(["", "2026", "2026-13-01", "2026-01-31T12:00", "yesterday"])("%j is no instant", (text) => {
  expect(() => instant(text)).toThrow("Expected a time such as 2026-01-31, 2026-01-31T12:00Z or 30d.");
});
