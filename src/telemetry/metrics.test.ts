import { expect, test } from "vitest";
import { ScriptedEngine } from "../../test/support/scripted-engine.ts";
import { Metrics } from "./metrics.ts";
import type { RequestRecord } from "./request-record.ts";

function record(overrides: Partial<RequestRecord>): RequestRecord {
  return {
    requestId: "r",
    method: "POST",
    path: "/v1/completions",
    startedAtMs: 0,
    protocol: "completions",
    dialect: "openai",
    isKnownModel: true,
    status: 200,
    outcome: "ok",
    ...overrides,
  };
}

async function lines(metrics: Metrics, start: string): Promise<string[]> {
  return (await metrics.registry.metrics()).split("\n").filter((line) => line.startsWith(start));
}

test("names of models that do not exist never become labels", async () => {
  const metrics = new Metrics(() => []);

  for (let index = 0; index < 50; index++) {
    metrics.requestEnded(record({ model: `made-up-${index}`, isKnownModel: false, outcome: "model_not_found" }), 10);
  }

  expect(await lines(metrics, "continuo_requests_total")).toEqual([
    'continuo_requests_total{protocol="completions",model="other",dialect="openai",outcome="model_not_found"} 50',
  ]);
});

test("the number of model labels is bounded", async () => {
  const metrics = new Metrics(() => []);

  for (let index = 0; index < 500; index++) metrics.requestEnded(record({ model: `m${index}` }), 10);

  const counted = await lines(metrics, "continuo_requests_total");
  expect(counted).toHaveLength(201);
  expect(counted.at(-1)).toMatch(/model="other".* 300$/);
});

test("requests outside the protocols are not counted", async () => {
  const metrics = new Metrics(() => []);
  const { protocol: _, dialect: __, ...probe } = record({});

  metrics.requestEnded(probe, 10);

  expect(await lines(metrics, "continuo_requests_total")).toEqual([]);
});

test("times are told in seconds", async () => {
  const metrics = new Metrics(() => []);

  metrics.requestEnded(record({ model: "m", startedAtMs: 1000 }), 3500);
  metrics.observer(record({ model: "m" })).tokenGap(20, 3);

  expect(await lines(metrics, "gen_ai_server_request_duration_seconds_sum")).toEqual([
    'gen_ai_server_request_duration_seconds_sum{protocol="completions",model="m"} 2.5',
  ]);
  expect((await lines(metrics, "gen_ai_server_time_per_output_token_seconds_sum"))[0]).toMatch(/ 0\.06$/);
  expect((await lines(metrics, "gen_ai_server_time_per_output_token_seconds_count"))[0]).toMatch(/ 3$/);
});

test("drafted and accepted tokens are counted per engine", async () => {
  const engine = new ScriptedEngine(() => [], "coder");
  engine.setStats({ draftedTokens: 12, acceptedDraftTokens: 5 });
  const metrics = new Metrics(() => [{ name: "coder", engine }]);

  expect(await lines(metrics, "continuo_engine_drafted")).toEqual([
    'continuo_engine_drafted_tokens_total{engine="coder"} 12',
  ]);
  expect(await lines(metrics, "continuo_engine_accepted_draft")).toEqual([
    'continuo_engine_accepted_draft_tokens_total{engine="coder"} 5',
  ]);
});
