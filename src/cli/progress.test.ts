import { describe, expect, test } from "vitest";
import { ProgressView } from "./progress.ts";

const TOTAL = 1_000_000_000;

function view(isTTY: boolean, columns = 100): { view: ProgressView; written: string[]; at(ms: number): void } {
  const written: string[] = [];
  let nowMs = 0;
  const write = (text: string): boolean => written.push(text) > 0;
  return {
    view: new ProgressView({
      stream: { write: write as NodeJS.WriteStream["write"], isTTY, columns },
      now: () => nowMs,
    }),
    written,
    at: (ms) => {
      nowMs = ms;
    },
  };
}

describe("not on a terminal", () => {
  test("a plain line at every tenth, with rate and time left", () => {
    const { view: progress, written, at } = view(false);

    for (let percent = 0; percent <= 100; percent += 1) {
      at(percent * 100);
      progress.update({ doing: "downloading", doneBytes: (TOTAL / 100) * percent, totalBytes: TOTAL });
    }

    expect(written).toHaveLength(10);
    expect(written[2]).toBe("downloading 30 %, 300 MB of 1.00 GB, 100 MB/s, 7 s left\n");
    expect(written[9]).toBe("downloading 100 %, 1.00 GB of 1.00 GB, 100 MB/s\n");
  });

  test("what was there before counts as done, not as fast", () => {
    const { view: progress, written, at } = view(false);

    progress.update({ doing: "downloading", doneBytes: 0.55 * TOTAL, totalBytes: TOTAL });
    at(1000);
    progress.update({ doing: "downloading", doneBytes: 0.6 * TOTAL, totalBytes: TOTAL });

    expect(written).toEqual(["downloading 60 %, 600 MB of 1.00 GB, 50.0 MB/s, 8 s left\n"]);
  });

  test("the check of the sum is one line", () => {
    const { view: progress, written } = view(false);

    for (let done = 0; done <= TOTAL; done += TOTAL / 10) {
      progress.update({ doing: "checking", doneBytes: done, totalBytes: TOTAL });
    }

    expect(written).toEqual(["checking sha256 of 1.00 GB\n"]);
  });

  test("the check of a large model has a line every half minute", () => {
    const { view: progress, written, at } = view(false);

    for (let second = 0; second <= 100; second += 1) {
      at(second * 1000);
      progress.update({ doing: "checking", doneBytes: (TOTAL / 100) * second, totalBytes: TOTAL });
    }

    expect(written.map((line) => line.slice(0, 24))).toEqual([
      "checking sha256 of 1.00 ",
      "checking sha256 30 %, 30",
      "checking sha256 60 %, 60",
      "checking sha256 90 %, 90",
    ]);
  });

  test("the rate is that of the last five seconds", () => {
    const { view: progress, written, at } = view(false);

    progress.update({ doing: "downloading", doneBytes: 0, totalBytes: TOTAL });
    for (let second = 1; second <= 20; second += 1) {
      at(second * 1000);
      // A tenth in the first second, then ten times slower.
      progress.update({ doing: "downloading", doneBytes: TOTAL * (0.1 + 0.01 * (second - 1)), totalBytes: TOTAL });
    }

    expect(written.at(-1)).toMatch(/20 %, 200 MB of 1\.00 GB, 10\.0 MB\/s, 1 min 20 s left/);
  });
});

describe("on a terminal", () => {
  test("one line is drawn over, ten times a second at most, and never wraps", () => {
    const { view: progress, written, at } = view(true, 40);

    for (let ms = 0; ms < 1000; ms += 10) {
      at(ms);
      progress.update({ doing: "downloading", doneBytes: TOTAL * (ms / 1000), totalBytes: TOTAL });
    }

    expect(written).toHaveLength(10);
    for (const line of written) {
      expect(line.startsWith("\r\u001b[K")).toBe(true);
      expect(line.slice(4).length).toBeLessThan(40);
      expect(line).not.toContain("\n");
    }
  });

  test("a bar with the share that is done", () => {
    const { view: progress, written } = view(true);

    progress.update({ doing: "downloading", doneBytes: TOTAL / 2, totalBytes: TOTAL });

    expect(written[0]).toBe("\r\u001b[K████████████░░░░░░░░░░░░ downloading 50 %, 500 MB of 1.00 GB");
  });

  test("what is said stands above the bar, which is gone in the end", () => {
    const { view: progress, written } = view(true);
    progress.update({ doing: "downloading", doneBytes: 0, totalBytes: TOTAL });

    progress.say("waiting");
    progress.update({ doing: "downloading", doneBytes: 0, totalBytes: TOTAL });
    progress.end();

    expect(written.slice(1, 3)).toEqual(["\r\u001b[K", "waiting\n"]);
    expect(written.at(-1)).toBe("\r\u001b[K");
  });
});
