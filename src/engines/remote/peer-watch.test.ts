import { expect, test } from "vitest";
import { never } from "../../../test/support/described-weights.ts";
import { ServiceError } from "../../errors.ts";
import { PeerWatch } from "./peer-watch.ts";

/** A peer that is there or not, and time that passes when a test says so. */
function watched() {
  const world = { peer: "first" as string | undefined, probes: 0, reports: [] as string[], waits: [] as number[] };
  let due: (() => void) | undefined;
  const watch = new PeerWatch<string>({
    probe: async () => {
      world.probes += 1;
      if (world.peer === undefined) throw new ServiceError("model_unavailable", "nobody answers there");
      return world.peer;
    },
    isSame: async (peer) => {
      if (world.peer === undefined) throw new ServiceError("model_unavailable", "nobody answers there");
      return world.peer === peer;
    },
    describe: (peer) => `the ${peer} one`,
    report: (event) => world.reports.push(event),
    lookMs: 30_000,
    after: (ms, callback) => {
      world.waits.push(ms);
      due = callback;
      return () => {
        due = undefined;
      };
    },
  });
  const pass = async (): Promise<void> => {
    due?.();
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  };
  return { watch, world, pass };
}

test("one that is not there at the start is asked again, ever more seldom, until it comes", async () => {
  const { watch, world, pass } = watched();
  world.peer = undefined;
  expect(watch.health()).toMatchObject({ state: "loading" });

  await watch.start();
  expect(watch.health()).toEqual({ state: "failed", detail: "nobody answers there; it is asked again" });
  for (let turn = 0; turn < 8; turn += 1) await pass();
  expect(world.waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);

  world.peer = "first";
  await pass();
  expect(watch.health()).toEqual({ state: "ready", detail: "the first one" });
  // Once for what happened, not once for every try.
  expect(world.reports).toEqual(["cannot be used: nobody answers there", "is ready: the first one"]);
});

test("whoever asks while it is away has it asked at once, and hears why it cannot be used", async () => {
  const { watch, world } = watched();
  world.peer = undefined;
  await watch.start();

  await expect(watch.peer(never)).rejects.toThrow("nobody answers there");
  world.peer = "first";
  await expect(watch.peer(never)).resolves.toBe("first");
});

test("many who ask share one question", async () => {
  const { watch, world } = watched();

  await Promise.all([watch.peer(never), watch.peer(never), watch.start()]);

  expect(world.probes).toBe(1);
});

test("another one in its place is probed; the same one is only looked at", async () => {
  const { watch, world, pass } = watched();
  await watch.start();

  await pass();
  expect(world.probes).toBe(1);
  world.peer = "second";
  await pass();
  expect(await watch.peer(never)).toBe("second");
});

test("a doubt about one that is gone makes it known at once", async () => {
  const { watch, world, pass } = watched();
  await watch.start();
  world.peer = undefined;

  watch.doubt();
  await pass();

  expect(watch.health().state).toBe("failed");
});

test("who leaves does not wait for it", async () => {
  const { watch } = watched();
  const leave = new AbortController();
  leave.abort(new Error("gone"));

  await expect(watch.peer(leave.signal)).rejects.toThrow("gone");
});

test("nothing is asked any more once it is closed", async () => {
  const { watch, world, pass } = watched();
  await watch.start();

  watch.close();
  await pass();

  expect(world.probes).toBe(1);
});
