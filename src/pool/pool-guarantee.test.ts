import { expect, test } from "vitest";
import { remoteRequest } from "../../test/support/peer-server.ts";
import { deltaPart, type Script, ScriptedEngine, startPart, usagePart } from "../../test/support/scripted-engine.ts";
import type { Guarantee } from "../continuation/guarantee.ts";
import { collect, type StreamPart } from "../continuation/output.ts";
import { ServiceError } from "../errors.ts";
import { Pool } from "./pool.ts";

const NEVER = new AbortController().signal;
const AWAY = new ServiceError("model_unavailable", "nobody answers");

function broken(guarantee: Guarantee): Script {
  return () => [{ ...startPart(), guarantee }, deltaPart("upon"), AWAY];
}

function whole(guarantee: Guarantee): Script {
  return ({ input }) => {
    const isRest = input.kind === "text" && input.parts.length > 1;
    const text = isRest ? " a time" : "upon a time";
    return [
      { ...startPart(), guarantee },
      deltaPart(text),
      { type: "finish", choice: 0, reason: "stop" },
      usagePart(1),
    ];
  };
}

function pool(...scripts: Script[]): Pool {
  const replicas = scripts.map((script, index) => ({
    engine: new ScriptedEngine(script, `r${index}`),
    weight: 100 - index,
  }));
  const fixed = { now: () => 0, random: () => 0, report: () => {} };
  return new Pool({ name: "m", replicas, policy: "least_loaded", maxResumes: 3, ...fixed });
}

test("a replica that keeps less than was promised does not go on, and another is asked", async () => {
  const three = pool(broken("exact"), whole("emulated"), whole("exact"));

  const { start, choices } = await collect(three.generate(remoteRequest(), NEVER));

  expect(start.guarantee).toBe("exact");
  expect(choices[0]?.text).toBe("upon a time");
  expect(three.poolStats().replicas.map(({ isUp }) => isUp)).toEqual([true, true, true]);
});

test("where there is no other, the answer breaks off", async () => {
  const two = pool(broken("exact"), whole("native"));
  const said: StreamPart[] = [];

  const ended = (async () => {
    for await (const part of two.generate(remoteRequest(), NEVER)) said.push(part);
  })();

  await expect(ended).rejects.toThrow();
  expect(said.flatMap((part) => (part.type === "delta" ? part.text : [])).join("")).not.toContain("time");
});

test("one that keeps more does go on", async () => {
  const { start, choices } = await collect(pool(broken("native"), whole("exact")).generate(remoteRequest(), NEVER));

  expect([start.guarantee, choices[0]?.text]).toEqual(["native", "upon a time"]);
});
