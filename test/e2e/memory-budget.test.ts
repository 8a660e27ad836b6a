/**
 * Three models with a budget for two: all are answered, in turn and all at once, and memory stays in the budget.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { familyOf, residentBytes } from "../../bench/processes.ts";
import { COMPLETIONS, get, type Json, post } from "../support/calls.ts";
import { startTinyServer, type TinyServer } from "../support/tiny-server.ts";

const MODELS = ["a", "b", "c"];
/** A tiny model is estimated at some 80 MiB, nearly all of it the process. */
const BUDGET_MIB = 190;

let server: TinyServer;
beforeAll(async () => {
  server = await startTinyServer(Object.fromEntries(MODELS.map((name, index) => [name, { seed: index + 1 }])), {
    args: ["--slots", "2", "--context", "1024", "--memory-budget", `${BUDGET_MIB}MiB`],
  });
}, 120_000);
afterAll(() => server?.stop());

const ask = (model: string, maxTokens = 8) =>
  post(server.url, COMPLETIONS, { model, prompt: "The ", max_tokens: maxTokens, temperature: 0 });

async function figures(): Promise<{ readonly taken: number; readonly budget: number; readonly loads: number }> {
  const { text } = await get(server.url, "/metrics");
  const value = (name: string): number => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
  return {
    taken: value("continuo_memory_taken_bytes"),
    budget: value("continuo_memory_budget_bytes"),
    loads: value("continuo_model_loads_total"),
  };
}

async function states(): Promise<Record<string, string>> {
  const { json } = await get(server.url, "/health");
  return Object.fromEntries(json.engines.map(({ name, state }: Json) => [name, state]));
}

/** Accounted, and as the system sees it: the engine processes without the server. */
async function expectWithinBudget(): Promise<void> {
  const { taken, budget } = await figures();
  const [, ...engines] = familyOf(server.pid);
  expect(budget).toBe(BUDGET_MIB << 20);
  expect(taken).toBeLessThanOrEqual(budget);
  expect(engines.length).toBeLessThanOrEqual(2);
  if (process.platform === "linux") expect(residentBytes(engines)).toBeLessThanOrEqual(budget);
}

test("at start as many are loaded as fit; the others are known all the same, and the server is ready", async () => {
  expect(await states()).toEqual({ a: "ready", b: "ready", c: "unloaded" });
  expect((await get(server.url, "/ready")).status).toBe(200);
  const { json } = await get(server.url, "/v1/models/c");
  expect(json.continuo).toMatchObject({
    state: "unloaded",
    context_length: 1024,
    capabilities: { fim: true, fim_family: "qwen", chat: true },
  });
});

test("requests to all three in turn are all answered, the one used longest ago making room", async () => {
  const texts: string[] = [];
  for (const name of [...MODELS, ...MODELS]) {
    const answer = await ask(name);
    expect(answer.status).toBe(200);
    texts.push(answer.json.choices[0].text);
    await expectWithinBudget();
  }

  expect(texts.slice(3)).toEqual(texts.slice(0, 3));
  expect(new Set(texts).size).toBe(3);
  expect(await states()).toEqual({ a: "unloaded", b: "ready", c: "ready" });
});

test("requests to all three at once are all answered", async () => {
  const asked = Array.from({ length: 24 }, (_, index) => MODELS[index % 3] ?? "");
  let isOver = false;
  const watching = (async () => {
    while (!isOver) await expectWithinBudget();
  })();

  const answers = await Promise.all(asked.map((name) => ask(name, 40)));
  isOver = true;
  await watching;

  expect(answers.map(({ status }) => status)).toEqual(asked.map(() => 200));
}, 120_000);

test("who leaves while its model waits for room costs nothing; a model with a request is never unloaded", async () => {
  const [resident] = Object.entries(await states()).find(([, state]) => state === "unloaded") ?? [];
  const absent = resident ?? "";
  const busy = MODELS.filter((name) => name !== absent).map((name) => ask(name, 900));
  const abort = new AbortController();
  const waiting = post(server.url, COMPLETIONS, { model: absent, prompt: "The " }, {}, abort.signal);
  await expect.poll(async () => (await states())[absent]).toBe("loading");
  abort.abort();
  await expect(waiting).rejects.toThrow();

  for (const answer of await Promise.all(busy)) {
    expect(answer.status).toBe(200);
    expect(answer.json.usage.completion_tokens).toBe(900);
  }
}, 120_000);
