import { describe, expect, test } from "vitest";
import { ScriptedEngine } from "../../test/support/scripted-engine.ts";
import type { EngineStats, Health } from "../continuation/engine.ts";
import type { PolicyName } from "./policy.ts";
import { hash } from "./policy.ts";
import { Replica } from "./replica.ts";
import { Router } from "./router.ts";

class Restartable extends ScriptedEngine {
  state: Health["state"] = "ready";
  restarts = 0;

  override health(): Health {
    return { state: this.state, detail: "" };
  }

  override stats(): EngineStats {
    return { ...super.stats(), restarts: this.restarts };
  }
}

function router(count: number, policy: PolicyName = "prefix_affinity") {
  const engines = Array.from({ length: count }, (_, index) => new Restartable(() => [], `r${index}`));
  const replicas = engines.map((engine) => new Replica(engine, 1, () => 1e6));
  const made = new Router({ replicas, policy, random: () => 0.5 });
  const engineOf = (replica: Replica): Restartable => {
    const engine = engines[replicas.indexOf(replica)];
    if (engine === undefined) throw new RangeError("no such replica");
    return engine;
  };
  return { made, engines, replicas, engineOf };
}

const blocks = Array.from({ length: 8 }, (_, index) => hash(`block ${index}`));
/** A text whose first block is the same, and whose homes are others than the router would choose for it unseen. */
const grown = { blocks, document: hash("elsewhere") };

describe("a replica that saw a prompt", () => {
  test("is asked for it again", () => {
    const { made } = router(20);
    const before = made.route({ blocks: blocks.slice(0, 4), document: hash("one") }, []);

    expect(made.route(grown, [])).toBe(before);
  });

  test.each([
    ["was away", (engine: Restartable) => (engine.state = "failed")],
    ["has a new process", (engine: Restartable) => (engine.restarts += 1)],
  ])("is not preferred any more when it %s: it has lost what it had evaluated", (_how, restart) => {
    const { made, engineOf } = router(20);
    const unseen = router(20).made.route(grown, []);
    const before = made.route({ blocks: blocks.slice(0, 4), document: hash("one") }, []);
    expect(before.name).not.toBe(unseen.name);

    restart(engineOf(before));
    made.route({ blocks: [], document: 1 }, []); // somebody looks while it is away
    engineOf(before).state = "ready";

    expect(made.route(grown, []).name).toBe(unseen.name);
  });

  test("is asked again for what it was asked since", () => {
    const { made, engineOf } = router(20);
    engineOf(made.route(grown, [])).restarts += 1;
    const after = made.route(grown, []);

    expect(made.route({ blocks, document: hash("other") }, [])).toBe(after);
  });
});

test.each(["least_loaded", "weighted", "sticky", "prefix_affinity"] as const)(
  "%s: one that failed the request or is away is not asked while there is another",
  (policy) => {
    const { made, engines, replicas } = router(3, policy);
    const first = made.route(grown, []);
    const second = made.route(grown, [first]);
    expect(second).not.toBe(first);
    const third = replicas.find((each) => each !== first && each !== second);
    expect(made.route(grown, [first, second])).toBe(third);

    for (const [index, engine] of engines.entries()) if (replicas[index] !== second) engine.state = "failed";
    expect(made.route(grown, [])).toBe(second);
    expect(made.route(grown, [first, second])).toBe(third);
    expect(made.route(grown, [first, second, third as Replica])).toBe(first);
  },
);
