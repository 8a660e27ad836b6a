import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { thinking } from "../../test/support/pooling.ts";
import { startPart } from "../../test/support/scripted-engine.ts";
import type { StreamPart } from "../continuation/output.ts";
import { Share } from "./share.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

async function* parts(...said: readonly StreamPart[]): AsyncGenerator<StreamPart> {
  yield* said;
}

test("the time is shared evenly with the names that can be asked next", () => {
  const share = new Share("m", 900, 2);

  vi.advanceTimersByTime(299);
  expect(share.signal.aborted).toBe(false);
  vi.advanceTimersByTime(1);
  expect(share.signal.reason).toMatchObject({ code: "request_timeout", message: expect.stringContaining('"m"') });
});

test.each([
  ["the last name", 900, 0],
  ["a caller without a limit", 0, 2],
])("%s has no limit of its own", (_, leftMs, others) => {
  const { signal } = new Share("m", leftMs, others);

  vi.advanceTimersByTime(10_000);
  expect(signal.aborted).toBe(false);
});

test("the first token ends the limit, if only of a hidden thought; the start of an answer does not", async () => {
  const [working, silent] = [new Share("m", 900, 2), new Share("y", 900, 2)];
  for await (const _ of working.until(parts(startPart(), ...thinking(1))));
  for await (const _ of silent.until(parts(startPart())));

  vi.advanceTimersByTime(10_000);
  expect([working.signal.aborted, silent.signal.aborted]).toEqual([false, true]);
});
