import { describe, expect, test } from "vitest";
import { durationText, Pace, type StatusSurroundings, whileShowing } from "./status-line.ts";

/** A stream and a clock that ticks when told. */
function surroundings(isTTY: boolean, columns = 20) {
  const written: string[] = [];
  const looks = new Map<() => void, number>();
  const write = (text: string): boolean => written.push(text) > 0;
  const given: StatusSurroundings = {
    stream: { write: write as NodeJS.WriteStream["write"], isTTY, columns },
    every: (ms, look) => {
      looks.set(look, ms);
      return () => looks.delete(look);
    },
  };
  const tick = (): void => {
    for (const look of looks.keys()) look();
  };
  return { given, written, looks, tick };
}

describe("what is under way", () => {
  test("is one line on a terminal, which is gone afterwards", async () => {
    const { given, written, tick } = surroundings(true);
    let done = 1;

    const answer = await whileShowing(
      () => `${done} of 30 cases,\u001b[31m or more`,
      async () => {
        tick();
        done = 2;
        tick();
        return "answer";
      },
      given,
    );

    expect(answer).toBe("answer");
    expect(written).toEqual(["\r\u001b[K1 of 30 cases,␛[31m", "\r\u001b[K2 of 30 cases,␛[31m", "\r\u001b[K"]);
  });

  test("has room on a terminal that does not know its width", async () => {
    const { given, written, tick } = surroundings(true, 0);

    await whileShowing(
      () => "x".repeat(100),
      async () => tick(),
      given,
    );

    expect(written[0]).toBe(`\r\u001b[K${"x".repeat(79)}`);
  });

  test("elsewhere is a line every half minute", async () => {
    const { given, written, looks, tick } = surroundings(false);
    const texts = ["", "half done"];

    await whileShowing(
      () => texts.shift() ?? "",
      async () => {
        expect([...looks.values()]).toEqual([30_000]);
        tick();
        tick();
      },
      given,
    );

    expect(written).toEqual(["half done\n"]);
  });

  test("is no longer shown when the work has failed", async () => {
    const { given, written, looks, tick } = surroundings(true);
    const work = async () => {
      tick();
      throw new Error("no");
    };

    await expect(whileShowing(() => "busy", work, given)).rejects.toThrow("no");
    expect(written.at(-1)).toBe("\r\u001b[K");
    expect(looks.size).toBe(0);
  });
});

test.each([
  [0, 0, 10, 4_000, "4 s"],
  [0, 10, 30, 5_000, "2.0 per second, 10 s left"],
  [100, 101, 103, 60_000, "1.0 per minute, 2 min 0 s left"],
  [0, 30, 30, 10_000, "3.0 per second"],
  [5, 5, 5, 0, "0 s"],
])("begun with %i, at %i of %i after %i ms: %s", (before, done, total, ms, text) => {
  let nowMs = 0;
  const pace = new Pace(before, () => nowMs);
  nowMs = ms;

  expect(pace.text(done, total)).toBe(text);
});

test.each([
  [0.2, "1 s"],
  [59, "59 s"],
  [60, "1 min 0 s"],
  [200, "3 min 20 s"],
  [7500, "2 h 5 min"],
])("%d seconds are %s", (seconds, expected) => {
  expect(durationText(seconds)).toBe(expected);
});
