import fc from "fast-check";
import { expect, test } from "vitest";
import { type Gate, gate } from "../../test/support/scripted-engine.ts";
import { ServiceError } from "../errors.ts";
import { type Lease, type Loadable, type ResidencyEvent, ResidentModels } from "./resident-models.ts";

const never = new AbortController().signal;

/** Weights that come and go when the test says so. */
class Weights implements Loadable {
  readonly bytes: number;
  isLoaded = false;
  loads = 0;
  /** Opened by the test; absent: at once. */
  slow: Gate | undefined;
  broken: string | undefined;
  onUnload = (): void => {};

  constructor(bytes: number) {
    this.bytes = bytes;
  }

  async footprint() {
    return { memory: { machine: this.bytes, gpu: 0 } };
  }

  async load(): Promise<void> {
    this.loads += 1;
    this.isLoaded = true;
    await this.slow?.opened;
    if (this.broken !== undefined) throw new ServiceError("model_unavailable", this.broken);
  }

  async unload(): Promise<void> {
    this.onUnload();
    await this.slow?.opened;
    this.isLoaded = false;
  }
}

/** Lets everything happen that waits for nothing from outside. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Timer {
  readonly ms: number;
  readonly callback: () => void;
}

function residentsOf(
  weights: Readonly<Record<string, Weights>>,
  budgetBytes: number,
  keepAliveMs = Number.POSITIVE_INFINITY,
) {
  const timers = new Set<Timer>();
  const events: [string, ResidencyEvent["kind"]][] = [];
  let now = 0;
  const residents = new ResidentModels({
    budget: { machine: budgetBytes, gpu: 0 },
    now: () => ++now,
    after: (ms, callback) => {
      const timer = { ms, callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    report: (name, { kind }) => events.push([name, kind]),
  });
  for (const [name, each] of Object.entries(weights)) residents.add(name, each, keepAliveMs);
  return { residents, timers, events };
}

test("three models with a budget for two are all served in turn, never more than two at a time", async () => {
  const weights = { a: new Weights(10), b: new Weights(10), c: new Weights(10) };
  const { residents } = residentsOf(weights, 20);
  for (const name of ["a", "b", "c", "a", "b", "c"]) {
    const lease = await residents.acquire(name, never);
    expect(Object.values(weights).filter(({ isLoaded }) => isLoaded).length).toBeLessThanOrEqual(2);
    lease.release();
  }

  expect(residents.stats()).toMatchObject({ budgetBytes: 20, takenBytes: 20, loads: 6, unloads: 4 });
});

test("a model with a request stays; the other one waits for it and is served afterwards", async () => {
  const { residents } = residentsOf({ a: new Weights(10), b: new Weights(10) }, 15);
  const first = await residents.acquire("a", never);
  let second: Lease | undefined;
  const waiting = residents.acquire("b", never).then((lease) => {
    second = lease;
  });
  await settled();

  expect([second, residents.waiting("b")]).toEqual([undefined, 1]);
  first.release();
  await waiting;
  expect(residents.waiting("b")).toBe(0);
});

test("a busy model that has to go takes no new requests, so its users cannot keep the others out", async () => {
  const { residents } = residentsOf({ a: new Weights(10), b: new Weights(10) }, 15);
  const first = await residents.acquire("a", never);
  const order: string[] = [];
  const other = residents.acquire("b", never).then((lease) => {
    order.push("b");
    return lease;
  });
  await settled();
  const again = residents.acquire("a", never).then(() => order.push("a"));
  await settled();
  expect(order).toEqual([]);

  first.release();
  (await other).release();
  await again;

  expect(order).toEqual(["b", "a"]);
});

test("requests for a model that stays do not wait behind one that needs room", async () => {
  const { residents } = residentsOf({ a: new Weights(10), b: new Weights(5), c: new Weights(10) }, 15);
  const busy = await residents.acquire("a", never);
  await residents.acquire("b", never);
  const waiting = residents.acquire("c", never);
  await settled();

  await expect(residents.acquire("b", never)).resolves.toBeDefined();
  busy.release();
  await waiting;
});

test("whoever leaves while waiting makes way for the next", async () => {
  const { residents } = residentsOf({ a: new Weights(10), b: new Weights(10) }, 15);
  const busy = await residents.acquire("a", never);
  const leaving = new AbortController();
  const gone = residents.acquire("b", leaving.signal);
  await settled();
  const next = residents.acquire("a", never);
  leaving.abort(new Error("gone"));

  await expect(gone).rejects.toThrow("gone");
  await expect(next).resolves.toBeDefined();
  busy.release();
});

test("a request that comes while its model is on its way out brings it back", async () => {
  const weights = { a: new Weights(10) };
  const { residents, timers } = residentsOf(weights, 15, 1000);
  (await residents.acquire("a", never)).release();
  weights.a.slow = gate();
  for (const { callback } of timers) callback();
  const back = residents.acquire("a", never);
  await settled();
  expect(weights.a.loads).toBe(1);

  weights.a.slow.open();
  await back;

  expect(weights.a.loads).toBe(2);
});

test("an idle model leaves when its time is up, a used one never", async () => {
  const weights = { a: new Weights(10) };
  const { residents, timers, events } = residentsOf(weights, 15, 1000);
  const lease = await residents.acquire("a", never);
  expect(timers.size).toBe(0);
  lease.release();
  expect([...timers].map(({ ms }) => ms)).toEqual([1000]);

  for (const { callback } of timers) callback();
  await settled();

  expect(events.map(([, kind]) => kind)).toEqual(["loaded", "unloading"]);
  expect(residents.stats()).toMatchObject({ takenBytes: 0, unloads: 1 });
});

test("a model that cannot be loaded gives its room back and is tried again for the next request", async () => {
  const weights = { a: new Weights(10), b: new Weights(10) };
  weights.a.broken = "no";
  const { residents, events } = residentsOf(weights, 15);
  (await residents.acquire("a", never)).release();
  await (await residents.acquire("b", never)).release();
  await (await residents.acquire("a", never)).release();

  expect(events.filter(([name, kind]) => name === "a" && kind === "failed")).toHaveLength(2);
  expect(weights.a.loads).toBe(2);
});

test("a model larger than the budget is refused at once", async () => {
  const { residents } = residentsOf({ a: new Weights(30) }, 20);

  await expect(residents.acquire("a", never)).rejects.toMatchObject({ code: "model_unavailable" });
});

test("preloading takes what fits and makes nobody leave", async () => {
  const weights = { a: new Weights(10), b: new Weights(10), c: new Weights(5) };
  const { residents } = residentsOf(weights, 15);
  await residents.preload(["a", "b", "c"]);

  expect(Object.values(weights).map(({ isLoaded }) => isLoaded)).toEqual([true, false, true]);
});

test("closing refuses whoever waits, and whoever comes", async () => {
  const { residents } = residentsOf({ a: new Weights(10), b: new Weights(10) }, 15);
  await residents.acquire("a", never);
  const waiting = residents.acquire("b", never);
  await settled();
  residents.close();

  await expect(waiting).rejects.toMatchObject({ code: "shutting_down" });
  await expect(residents.acquire("a", never)).rejects.toMatchObject({ code: "shutting_down" });
});

interface Move {
  readonly kind: "ask" | "release" | "abort" | "expire";
  readonly pick: number;
}

const moves: fc.Arbitrary<Move[]> = fc.array(
  fc.record({ kind: fc.constantFrom("ask", "ask", "release", "abort", "expire"), pick: fc.nat(100) }),
  { maxLength: 40 },
);

test("whatever happens: never over budget, nobody in use leaves, everybody is served", async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 4, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(sizes, fc.integer({ min: 10, max: 25 }), moves, async (bytes, budget, script) => {
      const weights = Object.fromEntries(bytes.map((each, index) => [`m${index}`, new Weights(each)]));
      const { residents, timers } = residentsOf(weights, budget, 1);
      const held: { readonly name: string; readonly lease: Lease }[] = [];
      const aborts: AbortController[] = [];
      let open = 0;
      const inMemory = (): number =>
        Object.values(weights).reduce((sum, each) => sum + (each.isLoaded ? each.bytes : 0), 0);
      for (const [name, each] of Object.entries(weights)) {
        each.onUnload = () => expect(held.filter((one) => one.name === name)).toEqual([]);
      }
      const ask = (name: string): void => {
        const abort = new AbortController();
        aborts.push(abort);
        open += 1;
        residents.acquire(name, abort.signal).then(
          (lease) => {
            open -= 1;
            held.push({ name, lease });
          },
          () => {
            open -= 1;
          },
        );
      };
      const moving = {
        ask: ({ pick }: Move) => ask(`m${pick % 4}`),
        abort: ({ pick }: Move) => aborts[pick % Math.max(1, aborts.length)]?.abort(new Error("gone")),
        expire: () => [...timers].map(({ callback }) => callback()),
        release: ({ pick }: Move) => held.splice(pick % Math.max(1, held.length), 1)[0]?.lease.release(),
      };
      const step = async (move: Move): Promise<void> => {
        moving[move.kind](move);
        await settled();
        expect(inMemory()).toBeLessThanOrEqual(budget);
        expect(residents.stats().takenBytes).toBeLessThanOrEqual(budget);
      };

      for (const move of script) await step(move);
      for (let turn = 0; open > 0 && turn < 200; turn += 1) await step({ kind: "release", pick: 0 });

      expect(open).toBe(0);
    }),
    { numRuns: 300 },
  );
});

test("a model that cannot be unloaded properly is reported, and those that wait for its room get it", async () => {
  const a = new Weights(10);
  a.onUnload = () => {
    throw new Error("it does not die");
  };
  const { residents, events } = residentsOf({ a, b: new Weights(10) }, 15);
  (await residents.acquire("a", never)).release();

  const lease = await residents.acquire("b", never);
  lease.release();

  expect(events).toContainEqual(["a", "unload failed"]);
  expect(residents.stats().takenBytes).toBe(10);
});
