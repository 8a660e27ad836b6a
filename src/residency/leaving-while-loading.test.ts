import { expect, test } from "vitest";
import { gate } from "../../test/support/scripted-engine.ts";
import { orAborted } from "../continuation/abort.ts";
import { type Loadable, ResidentModels } from "./resident-models.ts";

const never = new AbortController().signal;

/** Never finishes loading and, like an engine, starts again after `unload` as long as somebody waits for it. */
class EndlessLoad implements Loadable {
  isLoaded = false;
  starts = 0;
  #unloaded = gate();

  async footprint() {
    return { memory: { machine: 10, gpu: 0 } };
  }

  async load(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      this.starts += 1;
      this.isLoaded = true;
      this.#unloaded = gate();
      await orAborted(this.#unloaded.opened, signal);
    }
  }

  async unload(): Promise<void> {
    this.isLoaded = false;
    this.#unloaded.open();
  }
}

class QuickLoad extends EndlessLoad {
  override async load(): Promise<void> {
    this.isLoaded = true;
  }
}

/** Lets everything happen that waits for nothing from outside. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Two models, room for one of them. */
function residentsOf(models: Readonly<Record<"a" | "b", Loadable>>, keepAliveMs: number) {
  const events: string[] = [];
  const timers: (() => void)[] = [];
  const residents = new ResidentModels({
    budget: { machine: 15, gpu: 0 },
    now: () => 0,
    after: (_, callback) => {
      timers.push(callback);
      return () => {};
    },
    report: (name, { kind }) => events.push(`${name} ${kind}`),
  });
  for (const [name, model] of Object.entries(models)) residents.add(name, model, keepAliveMs);
  return { residents, events, timers };
}

test("a preloaded model that makes room while it loads stays out, and that is no failure", async () => {
  const models = { a: new EndlessLoad(), b: new QuickLoad() };
  const { residents, events } = residentsOf(models, Number.POSITIVE_INFINITY);
  const preloaded = residents.preload(["a"]);
  await settled();

  await residents.acquire("b", never);
  await settled();

  expect([models.a.isLoaded, models.b.isLoaded, models.a.starts]).toEqual([false, true, 1]);
  expect(events).toEqual(["a unloading", "b loaded"]);
  expect(residents.stats().takenBytes).toBe(10);
  await preloaded;
});

test("a model whose only request has left while it loads stays out once its idle time is up, until somebody asks", async () => {
  const models = { a: new EndlessLoad(), b: new QuickLoad() };
  const { residents, timers } = residentsOf(models, 1000);
  (await residents.acquire("a", never)).release();

  for (const expire of timers.splice(0)) expire();
  await settled();
  expect([models.a.isLoaded, models.a.starts, residents.stats().takenBytes]).toEqual([false, 1, 0]);

  await residents.acquire("a", never);
  await settled();
  expect([models.a.isLoaded, models.a.starts, residents.stats().takenBytes]).toEqual([true, 2, 10]);
});
