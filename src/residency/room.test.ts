import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MemoryBytes } from "../continuation/memory.ts";
import { makeRoom, type Resident, takenBytes } from "./room.ts";

const onMachine = (machine: number): MemoryBytes => ({ machine, gpu: 0 });

function resident(name: string, over: Partial<Resident> = {}): Resident {
  return { name, bytes: onMachine(10), state: "resident", leases: 0, usedAtMs: 0, ...over };
}

test("nobody leaves while there is room", () => {
  expect(makeRoom([resident("a")], onMachine(10), onMachine(20))).toBeUndefined();
  expect(makeRoom([resident("a", { state: "unloaded" })], onMachine(20), onMachine(20))).toBeUndefined();
});

test("the least recently used leaves first, and only as many as are needed", () => {
  const residents = [
    resident("new", { usedAtMs: 3 }),
    resident("old", { usedAtMs: 1 }),
    resident("mid", { usedAtMs: 2 }),
  ];

  expect(makeRoom(residents, onMachine(10), onMachine(30))).toEqual(["old"]);
  expect(makeRoom(residents, onMachine(20), onMachine(30))).toEqual(["old", "mid"]);
});

test("busy ones are asked only when the idle ones are not enough", () => {
  const residents = [resident("busy", { leases: 1, usedAtMs: 1 }), resident("idle", { usedAtMs: 2 })];

  expect(makeRoom(residents, onMachine(10), onMachine(20))).toEqual(["idle"]);
  expect(makeRoom(residents, onMachine(20), onMachine(20))).toEqual(["idle", "busy"]);
});

test("what is leaving already is waited for before anybody else has to go", () => {
  expect(makeRoom([resident("going", { state: "leaving" }), resident("a")], onMachine(10), onMachine(20))).toEqual([]);
});

test("a large one that makes room alone leaves alone", () => {
  const residents = [resident("small", { bytes: onMachine(2), usedAtMs: 1 }), resident("large", { usedAtMs: 2 })];

  expect(makeRoom(residents, onMachine(10), onMachine(12))).toEqual(["large"]);
});

describe("with a GPU", () => {
  const onGpu = resident("on the GPU", { bytes: { machine: 1, gpu: 10 }, usedAtMs: 2 });
  const beside = resident("beside it", { bytes: onMachine(10), usedAtMs: 1 });

  test("each memory has its own budget: a model for the processor does not drive one off the GPU", () => {
    expect(makeRoom([onGpu], onMachine(9), { machine: 10, gpu: 10 })).toBeUndefined();
    expect(makeRoom([onGpu], { machine: 1, gpu: 1 }, { machine: 100, gpu: 10 })).toEqual(["on the GPU"]);
  });

  test("only those leave that take what is short, however long ago they were used", () => {
    expect(makeRoom([beside, onGpu], { machine: 1, gpu: 5 }, { machine: 100, gpu: 10 })).toEqual(["on the GPU"]);
    expect(makeRoom([beside, onGpu], onMachine(5), { machine: 11, gpu: 10 })).toEqual(["beside it"]);
  });
});

test("when those named are gone, it fits; with one fewer it does not", () => {
  const bytes = fc.record({ machine: fc.integer({ min: 0, max: 9 }), gpu: fc.integer({ min: 0, max: 9 }) });
  const budgets = fc.record({ machine: fc.integer({ min: 9, max: 40 }), gpu: fc.integer({ min: 9, max: 40 }) });
  const models = fc.array(
    fc.record({
      bytes,
      state: fc.constantFrom<Resident["state"]>("unloaded", "resident", "leaving"),
      leases: fc.integer({ min: 0, max: 2 }),
      usedAtMs: fc.integer({ min: 0, max: 5 }),
    }),
    { maxLength: 6 },
  );
  fc.assert(
    fc.property(models, bytes, budgets, (rows, wanted, budget) => {
      const residents = rows.map((row, index) => ({ name: `m${index}`, ...row }));
      const chosen = makeRoom(residents, wanted, budget);
      const fitsBeside = (others: readonly Resident[]): boolean => {
        const { machine, gpu } = takenBytes(others);
        return machine + wanted.machine <= budget.machine && gpu + wanted.gpu <= budget.gpu;
      };
      if (chosen === undefined) {
        expect(fitsBeside(residents)).toBe(true);
        return;
      }
      const staying = residents.filter(({ name, state }) => state === "resident" && !chosen.includes(name));
      expect(fitsBeside(staying)).toBe(true);
      for (const each of residents.filter(({ name }) => chosen.includes(name))) {
        expect(fitsBeside([...staying, each])).toBe(false);
      }
    }),
  );
});
