import fc from "fast-check";
import { expect, test } from "vitest";
import { makeRoom, type Resident, takenBytes } from "./residency.ts";

function resident(name: string, over: Partial<Resident> = {}): Resident {
  return { name, bytes: 10, state: "resident", leases: 0, usedAtMs: 0, ...over };
}

test("nobody leaves while there is room", () => {
  expect(makeRoom([resident("a")], 10, 20)).toBeUndefined();
  expect(makeRoom([resident("a", { state: "unloaded" })], 20, 20)).toBeUndefined();
});

test("the least recently used leaves first, and only as many as are needed", () => {
  const residents = [
    resident("new", { usedAtMs: 3 }),
    resident("old", { usedAtMs: 1 }),
    resident("mid", { usedAtMs: 2 }),
  ];

  expect(makeRoom(residents, 10, 30)).toEqual(["old"]);
  expect(makeRoom(residents, 20, 30)).toEqual(["old", "mid"]);
});

test("busy ones are asked only when the idle ones are not enough", () => {
  const residents = [resident("busy", { leases: 1, usedAtMs: 1 }), resident("idle", { usedAtMs: 2 })];

  expect(makeRoom(residents, 10, 20)).toEqual(["idle"]);
  expect(makeRoom(residents, 20, 20)).toEqual(["idle", "busy"]);
});

test("what is leaving already is waited for before anybody else has to go", () => {
  expect(makeRoom([resident("going", { state: "leaving" }), resident("a")], 10, 20)).toEqual([]);
});

test("a large one that makes room alone leaves alone", () => {
  const residents = [resident("small", { bytes: 2, usedAtMs: 1 }), resident("large", { usedAtMs: 2 })];

  expect(makeRoom(residents, 10, 12)).toEqual(["large"]);
});

test("when those named are gone, it fits; with one fewer it does not", () => {
  const models = fc.array(
    fc.record({
      bytes: fc.integer({ min: 1, max: 9 }),
      state: fc.constantFrom<Resident["state"]>("unloaded", "resident", "leaving"),
      leases: fc.integer({ min: 0, max: 2 }),
      usedAtMs: fc.integer({ min: 0, max: 5 }),
    }),
    { maxLength: 6 },
  );
  fc.assert(
    fc.property(models, fc.integer({ min: 1, max: 9 }), fc.integer({ min: 9, max: 40 }), (rows, bytes, budget) => {
      const residents = rows.map((row, index) => ({ name: `m${index}`, ...row }));
      const chosen = makeRoom(residents, bytes, budget);
      if (chosen === undefined) {
        expect(takenBytes(residents) + bytes).toBeLessThanOrEqual(budget);
        return;
      }
      const staying = residents.filter(({ name, state }) => state === "resident" && !chosen.includes(name));
      expect(takenBytes(staying) + bytes).toBeLessThanOrEqual(budget);
      for (const each of residents.filter(({ name }) => chosen.includes(name))) {
        expect(takenBytes([...staying, each]) + bytes).toBeGreaterThan(budget);
      }
    }),
  );
});
