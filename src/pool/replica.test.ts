import { describe, expect, test } from "vitest";
import { ScriptedEngine } from "../../test/support/scripted-engine.ts";
import { Replica } from "./replica.ts";

function replica(weight = 1) {
  const clock = { ms: 0 };
  const engine = new ScriptedEngine(() => []);
  const made = new Replica(engine, weight, () => clock.ms);
  const fail = (times: number): void => {
    for (let each = 0; each < times; each += 1) made.failed();
  };
  return { made, engine, clock, fail };
}

describe("a replica that fails three times in a row", () => {
  test("has a break, and is then tried with one request at a time", () => {
    const { made, clock, fail } = replica();
    fail(2);
    expect(made.isUp).toBe(true);
    fail(1);
    expect(made.isUp).toBe(false);
    clock.ms = 1_000;
    expect(made.isUp).toBe(true);
    made.begin();
    expect(made.isUp).toBe(false);
    made.end();
    made.succeeded();
    made.begin();
    expect(made.isUp).toBe(true);
  });

  test("has longer breaks as it goes on, up to half a minute", () => {
    const { made, clock, fail } = replica();
    fail(4);
    clock.ms = 1_999;
    expect(made.isUp).toBe(false);
    clock.ms = 2_000;
    expect(made.isUp).toBe(true);
    fail(20);
    clock.ms += 29_999;
    expect(made.isUp).toBe(false);
    clock.ms += 1;
    expect(made.isUp).toBe(true);
  });

  test("a success in between begins the count anew", () => {
    const { made, fail } = replica();
    fail(2);
    made.succeeded();
    fail(2);

    expect(made.isUp).toBe(true);
  });
});

describe("a replica that comes back", () => {
  test("after a break gets to its share within ten seconds", () => {
    const { made, clock, fail } = replica(4);
    expect(made.share).toBe(4);
    fail(3);
    clock.ms = 5_000;
    made.succeeded();
    expect(made.share).toBeCloseTo(0.4);
    clock.ms = 10_000;
    expect(made.share).toBeCloseTo(2);
    clock.ms = 60_000;
    expect(made.share).toBe(4);
  });

  test.each(["failed", "stalled"] as const)("after it was %s the same", (state) => {
    const { made, engine, clock } = replica();
    engine.setHealth({ state, detail: "" });
    expect(made.isUp).toBe(false);
    clock.ms = 20_000;
    engine.setHealth({ state: "ready", detail: "" });
    expect(made.isUp).toBe(true);
    expect(made.share).toBeCloseTo(0.1);
  });

  test.each(["loading", "unloaded"] as const)("one that is %s can be asked", (state) => {
    const { made, engine } = replica();
    engine.setHealth({ state, detail: "" });

    expect(made.isUp).toBe(true);
  });
});
