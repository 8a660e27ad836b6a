import { describe, expect, test } from "vitest";
import { ledger, meterOn } from "../../test/support/accounting.ts";
import {
  deltaPart,
  gate,
  ScriptedEngine,
  type Step,
  scriptedCard,
  startPart,
  usagePart,
} from "../../test/support/scripted-engine.ts";
import { hello, post, serve, streamed } from "../../test/support/scripted-service.ts";
import { freshLibsql } from "../../test/support/stores.ts";
import type { EngineStats } from "../continuation/engine.ts";
import type { Store } from "../db/schema.ts";

/** An engine elsewhere may tell neither its slots nor its context, and the tokens of a prompt last. */
class Reticent extends ScriptedEngine {
  override stats(): EngineStats {
    return { queued: 2, running: 1, promptTokens: 30, completionTokens: 40 };
  }
}

const { promptTokens: _, ...start } = startPart();
const finish = { type: "finish", choice: 0, reason: "stop" } as const;
const answer = (): readonly Step[] => [start, deltaPart("a"), deltaPart("b"), finish, usagePart(2)];

const unbounded = scriptedCard("m", {
  answeredBy: { id: "scripted-weights", standIn: false, model: { id: "elsewhere", chat: true, defaults: {} } },
  contextTokens: Number.POSITIVE_INFINITY,
  maxInputTokens: Number.POSITIVE_INFINITY,
  maxOutputTokens: Number.POSITIVE_INFINITY,
});

async function serving(script: () => Iterable<Step> = answer) {
  const store = await freshLibsql();
  const engine = new Reticent(script);
  const service = await serve(engine, { cards: [unbounded], meter: await meterOn(store, Date.now) });
  const logged = () => service.entry((entry) => entry["outcome"] !== undefined);
  return { ...service, engine, store, logged };
}

const rows = (store: Store) => store.selectFrom("reservations").selectAll().execute();

describe("tokens of the prompt that come last", () => {
  test("are in the usage of a plain answer, in the log and in the account", async () => {
    const { url, store, logged } = await serving();

    expect(await (await post(`${url}/v1/completions`, hello)).json()).toMatchObject({
      usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
    });
    expect(await logged()).toMatchObject({ promptTokens: 3, completionTokens: 2 });
    expect(await ledger(store)).toMatchObject([{ prompt_tokens: 3, completion_tokens: 2, is_estimate: 0 }]);
  });

  test("are in the last event of DashScope's own stream", async () => {
    const { url } = await serving();
    const body = { model: "m", input: { prompt: "hi" }, parameters: { incremental_output: true } };
    const headers = { "x-dashscope-sse": "enable" };

    const text = await (await post(`${url}/api/v1/services/aigc/text-generation/generation`, body, { headers })).text();

    const usages = [...text.matchAll(/"usage":\{[^}]*"input_tokens":(\d+)/g)].map(([, tokens]) => Number(tokens));
    expect(usages).toEqual([0, 0, 3]);
  });

  test("are charged as they were guessed when a stream ends before them", async () => {
    const { url, store, logged } = await serving(() => [start, deltaPart("a"), new Error("gone")]);

    await (await post(`${url}/v1/completions`, { ...streamed, prompt: "x".repeat(300) })).text();
    await logged();

    expect(await ledger(store)).toMatchObject([{ prompt_tokens: 100, completion_tokens: 1, is_estimate: 1 }]);
  });

  test("are in the record of a crash as they were guessed", async () => {
    const rest = gate();
    const { url, store, engine } = await serving(() => [start, deltaPart("a"), rest.opened, finish, usagePart(1)]);
    const response = await post(`${url}/v1/completions`, { ...streamed, prompt: "x".repeat(300) });
    await response.body?.getReader().read();

    expect(await rows(store)).toMatchObject([{ prompt_tokens: 100 }]);
    rest.open();
    await (await engine.call()).ended;
  });
});

describe("an answer without a known bound", () => {
  test("has none for the engine either, and the account reserves for one all the same", async () => {
    const rest = gate();
    const { url, store, engine } = await serving(() => [start, rest.opened, ...answer().slice(1)]);
    const answered = post(`${url}/v1/completions`, hello);

    expect((await engine.call()).request.limits).not.toHaveProperty("maxTokens");
    const [row] = await rows(store);
    expect((row?.prompt_tokens ?? 0) + (row?.reserved_tokens ?? 0)).toBe(3 + 4096);
    rest.open();
    expect((await answered).status).toBe(200);
  });

  test.each([
    [{ max_tokens: 0 }, "max_tokens should be at least 1"],
    [{ prompt: [-1] }, "Token ids of prompt should be whole numbers from 0 on, found -1"],
  ])("%j is refused without naming one", async (fields, message) => {
    const { url } = await serving();

    expect(await (await post(`${url}/v1/completions`, { ...hello, ...fields })).json()).toMatchObject({
      error: { message: expect.stringContaining(message) },
    });
  });

  test("takes any token id", async () => {
    const { url, engine } = await serving();

    await post(`${url}/v1/completions`, { ...hello, prompt: [9_000_000], logit_bias: { "9000000": 1 } });

    const { request } = await engine.call();
    expect([request.input, request.sampling.logitBias]).toEqual([
      { kind: "tokens", tokens: [9_000_000] },
      new Map([[9_000_000, 1]]),
    ]);
  });
});

test("lists say that bounds are not known", async () => {
  const { url } = await serving();

  expect(await (await fetch(`${url}/v1/models/m`)).json()).toMatchObject({
    continuo: { context_length: null, max_input_tokens: null, max_output_tokens: null },
  });
});

test("metrics and health have no figures that the engine does not tell", async () => {
  const { url, metrics } = await serving();
  const told = (await metrics.registry.metrics()).split("\n").filter((line) => line.startsWith("continuo_engine_"));

  expect(told).toEqual([
    'continuo_engine_queue_depth{engine="scripted-weights"} 2',
    'continuo_engine_running{engine="scripted-weights"} 1',
    'continuo_engine_prompt_tokens_total{engine="scripted-weights"} 30',
    'continuo_engine_completion_tokens_total{engine="scripted-weights"} 40',
  ]);
  const health = (await (await fetch(`${url}/health`)).json()) as { engines: unknown };
  expect(health.engines).toEqual([
    { name: "scripted-weights", state: "ready", detail: "scripted", queued: 2, running: 1 },
  ]);
});
