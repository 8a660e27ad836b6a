import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LOOK_MS, Threads } from "./threads.ts";

/** Milliseconds of a time slice, for which a thread waits at each of the barriers of a step when it shares its core. */
const SLICE_MS = 3;
const BARRIERS = 300;
/** Of the time of a step, the part in which its threads do not run: waking up, mostly. */
const OVERHEAD = 0.03;

/** A machine that computes steps of 20 ms on one thread while so many of its cores are kept busy by others. */
class Machine {
  readonly cores: number;
  readonly threads: Threads;
  others = 0;
  #wallMs = 0;
  #cpuMs = 0;

  constructor(cores: number, most = cores) {
    this.cores = cores;
    this.threads = new Threads(most);
  }

  get nowMs(): number {
    return this.#wallMs;
  }

  /** Returns the threads that completed the step, and how long it took with all attempts. */
  step(workMs = 20): { readonly threads: number; readonly ms: number } {
    const begunMs = this.#wallMs;
    for (;;) {
      const threads = this.threads.begin(this.#clocks);
      const free = Math.max(1, this.cores - this.others);
      const isCrowded = threads > 1 && threads > free;
      const ms = workMs / Math.min(threads, free) + (isCrowded ? BARRIERS * SLICE_MS : 0);
      if (!this.#runs(ms, Math.min(threads, free) * (threads === 1 ? 1 : 1 - OVERHEAD))) continue;
      this.threads.end(this.#clocks);
      return { threads, ms: this.#wallMs - begunMs };
    }
  }

  /** Steps for so long. */
  run(ms: number): readonly { readonly threads: number; readonly ms: number }[] {
    const steps = [];
    for (const endMs = this.#wallMs + ms; this.#wallMs < endMs; ) steps.push(this.step());
    return steps;
  }

  get #clocks() {
    return { wallMs: this.#wallMs, cpuMs: this.#cpuMs };
  }

  /** False: it was stopped on the way. */
  #runs(ms: number, coresUsed: number): boolean {
    for (let left = ms; left > 0; ) {
      const part = Math.min(left, LOOK_MS);
      this.#wallMs += part;
      this.#cpuMs += part * coresUsed;
      left -= part;
      if (left > 0 && this.threads.isCrowded(this.#clocks)) return false;
    }
    return true;
  }
}

/** Time per step. */
function meanMs(steps: readonly { readonly ms: number }[]): number {
  return steps.reduce((sum, { ms }) => sum + ms, 0) / steps.length;
}

test("on a quiet machine all threads compute every step", () => {
  for (const cores of [2, 4, 8, 16]) {
    const steps = new Machine(cores).run(60_000);

    expect(new Set(steps.map(({ threads }) => threads))).toEqual(new Set([cores]));
  }
});

describe("beside one busy program", () => {
  test("two cores compute nearly as fast as one thread that has nobody to wait for", () => {
    const machine = new Machine(2);
    machine.others = 1;

    const first = machine.step();
    const steps = machine.run(60_000);

    expect(first.ms).toBeLessThan(150);
    expect(meanMs(steps)).toBeLessThan(20 * 1.05);
  });

  test("larger machines give up as many threads as are short", () => {
    for (const cores of [4, 8, 16]) {
      const machine = new Machine(cores);
      machine.others = 1;
      machine.run(5_000);

      const threads = machine.run(60_000).map((step) => step.threads);

      expect(threads.filter((count) => count === cores - 1).length / threads.length).toBeGreaterThan(0.95);
    }
  });
});

test("when the other program ends, all threads are back within the longest rest", () => {
  const machine = new Machine(8);
  machine.others = 3;
  machine.run(120_000);
  machine.others = 0;
  machine.run(17_000);

  expect(machine.step().threads).toBe(8);
});

test("a short burst of another program is nothing", () => {
  const machine = new Machine(2);
  machine.run(1_000);
  machine.others = 1;
  const threads = machine.threads.begin({ wallMs: machine.nowMs, cpuMs: 0 });

  expect(threads).toBe(2);
  expect(machine.threads.isCrowded({ wallMs: machine.nowMs + 80, cpuMs: 80 })).toBe(false);
  expect(machine.threads.isCrowded({ wallMs: machine.nowMs + 120, cpuMs: 120 })).toBe(true);
});

test("one thread is never too many, however little time it gets", () => {
  const threads = new Threads(1);
  threads.begin({ wallMs: 0, cpuMs: 0 });

  expect(threads.isCrowded({ wallMs: 60_000, cpuMs: 1 })).toBe(false);
});

test("whatever others do, the number stays between one and the most, and each step ends", () => {
  const times = fc.array(
    fc.record({ others: fc.integer({ min: 0, max: 9 }), ms: fc.integer({ min: 1, max: 4_000 }) }),
    {
      maxLength: 12,
    },
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), times, (most, spans) => {
      const machine = new Machine(8, most);
      for (const { others, ms } of spans) {
        machine.others = others;
        for (const { threads } of machine.run(ms)) {
          expect(threads).toBeGreaterThanOrEqual(1);
          expect(threads).toBeLessThanOrEqual(most);
        }
      }
    }),
  );
});

test("the processor time of one thread, which costs time to find out, is not asked for", () => {
  const threads = new Threads(1);
  const clocks = {
    wallMs: 0,
    get cpuMs(): number {
      throw new Error("nobody needs to know");
    },
  };

  expect(threads.begin(clocks)).toBe(1);
  expect(threads.firstLookMs).toBe(Number.POSITIVE_INFINITY);
  expect(() => threads.end(clocks)).not.toThrow();
});

test("a step is not looked at before that could tell anything", () => {
  const threads = new Threads(2);
  threads.begin({ wallMs: 0, cpuMs: 0 });

  expect(threads.isCrowded({ wallMs: threads.firstLookMs - 1, cpuMs: 0 })).toBe(false);
  expect(threads.isCrowded({ wallMs: threads.firstLookMs, cpuMs: 0 })).toBe(true);
});
