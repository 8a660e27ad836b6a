import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { loadNativeTiny, type NativeTiny } from "../../../../test/support/tiny-scheduler.ts";
import type { Row } from "./batch-memory.ts";
import { type ContextOptions, NativeContext } from "./context.ts";
import type { StepThreads } from "./threads.ts";

let tiny: NativeTiny;
beforeAll(async () => {
  // Wide enough that a prompt takes longer than it takes to look at a step; few layers, because threads wait in each.
  tiny = await loadNativeTiny({ shape: { layers: 2, width: 768, heads: 8, kvHeads: 4, feedForward: 4096 } });
});
afterAll(() => tiny.model.free());

/** One thread, unless said otherwise: on a busy machine two take a hundred times as long. */
function contextOf(over: Partial<ContextOptions> = {}): NativeContext {
  const size = { slots: 1, slotTokens: 1024, batchTokens: 512, microBatchTokens: 128 };
  const context = new NativeContext(tiny.api, tiny.model, { ...size, threads: 1, ...over });
  onTestFinished(() => context.free());
  return context;
}

function rows(from: number, count: number): Row[] {
  return Array.from({ length: count }, (_, index) => ({
    token: 40 + (((from + index) * 31) % 150),
    position: from + index,
    sequence: 0,
    output: index === count - 1,
  }));
}

/** Gives these numbers of threads in turn, the last one for ever, and finds the steps crowded that are told to be. */
class ScriptedThreads implements StepThreads {
  readonly given: number[] = [];
  readonly #counts: readonly number[];
  readonly #crowded: readonly number[];
  readonly #onCrowded: () => void;
  firstLookMs = 1;
  looks = 0;
  ended = 0;

  constructor(counts: readonly number[], crowded: readonly number[] = [], onCrowded: () => void = () => {}) {
    this.#counts = counts;
    this.#crowded = crowded;
    this.#onCrowded = onCrowded;
  }

  begin(): number {
    const count = this.#counts[Math.min(this.given.length, this.#counts.length - 1)] ?? 1;
    this.given.push(count);
    return count;
  }

  isCrowded(): boolean {
    this.looks += 1;
    const isCrowded = this.#crowded.includes(this.given.length - 1);
    if (isCrowded) this.#onCrowded();
    return isCrowded;
  }

  end(): void {
    this.ended += 1;
  }
}

describe("a step whose threads get in each other's way", () => {
  test("is done again with fewer, and nobody sees it", async () => {
    const choice = new ScriptedThreads([2, 1], [0]);
    const disturbed = contextOf({ threadInvariant: true, threads: 2, choice });
    const calm = contextOf({ threadInvariant: true });
    for (const context of [disturbed, calm]) expect(await context.decode(rows(0, 512))).toBe("done");

    expect(choice.given).toEqual([2, 1]);
    expect(choice.ended).toBe(1);
    expect(Buffer.from(disturbed.logits(511).slice().buffer)).toEqual(Buffer.from(calm.logits(511).slice().buffer));
  });

  test("is not done again when its caller does not want it any more", async () => {
    const choice = new ScriptedThreads([2, 2], [0], () => context.abort());
    const context: NativeContext = contextOf({ threads: 2, choice });

    expect(await context.decode(rows(0, 512))).toBe("aborted");
    expect(choice.given).toEqual([2]);
    context.truncate(0, 0);
    expect(await context.decode(rows(0, 4))).toBe("done");
  });
});

test("a step is looked at from the age on at which its threads can be found to get in each other's way", async () => {
  const choice = new ScriptedThreads([1]);
  const context = contextOf({ choice });

  await context.decode(rows(0, 512));
  const looks = choice.looks;
  choice.firstLookMs = 3_600_000;
  await context.decode(rows(512, 256));

  expect(looks).toBeGreaterThan(0);
  expect(choice.looks).toBe(looks);
});

test("without flash attention a text does not depend on the number of threads, however long it is", async () => {
  const logits = [];
  for (const threads of [1, 2]) {
    const context = contextOf({ threadInvariant: true, threads: 2, choice: new ScriptedThreads([1, 1, threads]) });
    await context.decode(rows(0, 512));
    await context.decode(rows(512, 128));
    await context.decode(rows(640, 1)); // flash attention divides rows behind more than 512 others
    logits.push(Buffer.from(context.logits(0).slice().buffer).toString("base64"));
  }

  expect(new Set(logits).size).toBe(1);
});

test("progress tells the running step and what such a step usually takes", async () => {
  const context = contextOf();
  expect(context.progress).toEqual({ count: 0 });
  const first = context.decode(rows(0, 4));
  expect(context.progress).toEqual({ count: 0, activity: "a step of 4 rows" });
  await first;
  expect(context.progress).toEqual({ count: 1 });
  const second = context.decode(rows(4, 4));
  const running = context.progress;
  await second;

  expect(running).toEqual({ count: 1, activity: "a step of 4 rows", expectedMs: expect.any(Number) });
});
