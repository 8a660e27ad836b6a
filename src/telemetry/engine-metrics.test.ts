import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { END, NEVER, request, thinking } from "../../test/support/pooling.ts";
import { gate, type Script, ScriptedEngine, saying, startPart } from "../../test/support/scripted-engine.ts";
import { collect } from "../continuation/output.ts";
import { ServiceError } from "../errors.ts";
import { engineObserver, registerEngineHealth } from "./engine-metrics.ts";
import { observedEngine } from "./observed-engine.ts";
import { PASSED_ON } from "./tracing.ts";

function observed(script: Script) {
  const registry = new Registry();
  const engine = new ScriptedEngine(script);
  let nowMs = 0;
  const now = (): number => {
    nowMs += 250;
    return nowMs;
  };
  const identity = { name: "one", kind: "vllm" };
  const watched = observedEngine(engine, { identity, observer: engineObserver(registry), tracing: PASSED_ON, now });
  const lines = async (start: string): Promise<string[]> =>
    (await registry.metrics()).split("\n").filter((line) => line.startsWith(start));
  return { engine, watched, lines, registry, identity };
}

test("a request counts as it ended, and its first text is measured", async () => {
  const { watched, lines } = observed(() => saying(["a", "b"]));

  expect((await collect(watched.generate(request(), NEVER))).choices[0]?.text).toBe("ab");
  expect(await lines("continuo_engine_requests_total{")).toEqual([
    'continuo_engine_requests_total{engine="one",kind="vllm",outcome="ok"} 1',
  ]);
  expect(await lines("continuo_engine_time_to_first_text_seconds_sum")).toEqual([
    'continuo_engine_time_to_first_text_seconds_sum{engine="one",kind="vllm"} 0.25',
  ]);
});

test("a hidden thought is no first text", async () => {
  const { watched, lines } = observed(() => [startPart(), ...thinking(2), END]);

  await collect(watched.generate(request(), NEVER));
  expect(await lines("continuo_engine_time_to_first_text_seconds_count")).toEqual([]);
});

test("a failure counts under its code, an abort and a stream that is left as aborted", async () => {
  const failing = observed(() => [new ServiceError("queue_full", "full")]);
  await expect(collect(failing.watched.generate(request(), NEVER))).rejects.toThrow("full");
  expect(await failing.lines("continuo_engine_requests_total{")).toEqual([
    'continuo_engine_requests_total{engine="one",kind="vllm",outcome="queue_full"} 1',
  ]);

  const { watched, engine, lines } = observed(() => [startPart(), gate().opened]);
  const leave = new AbortController();
  const asking = collect(watched.generate(request(), leave.signal));
  await engine.call();
  leave.abort(new Error("gone"));
  await expect(asking).rejects.toThrow("gone");
  for await (const part of watched.generate(request(), NEVER)) {
    expect(part.type).toBe("start");
    break;
  }
  await engine.calls[1]?.ended;
  expect(await lines("continuo_engine_requests_total{")).toEqual([
    'continuo_engine_requests_total{engine="one",kind="vllm",outcome="aborted"} 2',
  ]);
});

test("every scrape shows which engines are there", async () => {
  const { engine, registry, lines, identity } = observed(() => []);
  registerEngineHealth(registry, () => [{ identity, health: engine.health() }]);
  expect(await lines("continuo_engine_up{")).toEqual(['continuo_engine_up{engine="one",kind="vllm"} 1']);

  engine.setHealth({ state: "failed", detail: "away" });
  expect(await lines("continuo_engine_up{")).toEqual(['continuo_engine_up{engine="one",kind="vllm"} 0']);
});
