import { expect, test } from "vitest";
import { examineMachine, type Machine, thisMachine } from "./machine.ts";

const GIBIBYTE = 2 ** 30;

const SOUND: Machine = {
  platform: "linux",
  arch: "x64",
  nodeVersion: "20.19.0",
  memoryBytes: 16 * GIBIBYTE,
  availableBytes: 8 * GIBIBYTE,
  processor: "A processor",
  hardwareThreads: 8,
  engineThreads: 3,
};

function states(machine: Partial<Machine>): Readonly<Record<string, string>> {
  return Object.fromEntries(examineMachine({ ...SOUND, ...machine }).map(({ what, state }) => [what, state]));
}

test("a machine with memory and a Node that is allowed is in order", () => {
  expect(states({})).toEqual({ platform: "ok", processor: "ok", memory: "ok" });
});

test.each([
  ["18.20.0", "problem"],
  ["20.18.9", "problem"],
  ["20.20.2", "ok"],
  ["22.0.0", "ok"],
])("Node %s is a(n) %s", (nodeVersion, state) => {
  expect(states({ nodeVersion })["platform"]).toBe(state);
});

test("little free memory is a warning with both figures", () => {
  const [, , memory] = examineMachine({ ...SOUND, availableBytes: GIBIBYTE / 2 });

  expect(memory).toMatchObject({ state: "warning", found: "512 MiB of 16.0 GiB available" });
});

test("this machine is described by what the system says", () => {
  const machine = thisMachine();

  expect(machine.nodeVersion).toBe(process.versions.node);
  expect(machine.availableBytes).toBeLessThanOrEqual(machine.memoryBytes * 1.01);
  expect(machine.engineThreads).toBeGreaterThanOrEqual(1);
});
