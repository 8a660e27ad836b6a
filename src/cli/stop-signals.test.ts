import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { listenForStop, type StopReason } from "./stop-signals.ts";

class FakeProcess extends EventEmitter {
  readonly ppid = 1;
  readonly env: Record<string, string>;
  timeMs = 0;

  constructor(env: Record<string, string> = {}) {
    super();
    this.env = env;
  }
}

/** The second reason if there is one by now, else undefined. */
function settled(second: Promise<StopReason>): Promise<StopReason | undefined> {
  return Promise.race([second, Promise.resolve(undefined)]);
}

test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("%s asks to stop, and again to stop at once", async (signal) => {
  const source = new FakeProcess();
  const stop = listenForStop(source, () => source.timeMs);

  source.emit(signal);
  expect(await stop.first).toBe(signal);
  expect(await settled(stop.second)).toBeUndefined();

  source.emit(signal);
  expect(await stop.second).toBe(signal);
});

test("under npm the copy of a Ctrl-C is not a second one, a later one is", async () => {
  const source = new FakeProcess({ npm_lifecycle_event: "start" });
  const stop = listenForStop(source, () => source.timeMs);

  source.emit("SIGINT");
  source.timeMs = 20;
  source.emit("SIGINT");
  expect(await settled(stop.second)).toBeUndefined();

  source.timeMs = 400;
  source.emit("SIGINT");
  expect(await stop.second).toBe("SIGINT");
  stop.release();
});

test("released, the signals have their usual effect again", () => {
  const source = new FakeProcess();

  listenForStop(source).release();

  expect(source.eventNames()).toEqual([]);
});
