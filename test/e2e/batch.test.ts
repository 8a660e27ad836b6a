/** Several prompts in one call: what is computed is charged, and nothing is computed for a call that is refused. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AdministeredServer, startAdministeredServer } from "../support/administered-server.ts";
import { COMPLETIONS, eventually, type Json, metric, post } from "../support/calls.ts";

let server: AdministeredServer;
beforeAll(async () => {
  server = await startAdministeredServer();
});
afterAll(async () => {
  await server?.stop();
});

const computed = async () => ({
  prompt:
    (await metric(server.url, "continuo_engine_prompt_tokens_total")) +
    (await metric(server.url, "continuo_engine_cached_prompt_tokens_total")),
  completion: await metric(server.url, "continuo_engine_completion_tokens_total"),
});

const usage = async (): Promise<Json> => JSON.parse(await server.continuo("usage", "--json")).usage;

const FIFTEEN = Array.from({ length: 15 }, (_, index) => `def f${index}(`);

test("a batch whose last prompt is too long computes nothing, takes nothing from a limit and is in no account", async () => {
  await server.continuo("limits", "set", "default", "tiny", "--requests", "2");
  const prompt = [...FIFTEEN, "word ".repeat(20_000)];

  const statuses: number[] = [];
  for (let call = 0; call < 4; call += 1) {
    statuses.push((await post(server.url, COMPLETIONS, { model: "tiny", prompt, max_tokens: 64 })).status);
  }

  expect(statuses).toEqual([400, 400, 400, 400]);
  expect(await computed()).toEqual({ prompt: 0, completion: 0 });
  expect(await usage()).toEqual([]);
  await server.continuo("limits", "remove", "default", "tiny");
});

test("a batch whose client leaves is charged for what the engine computed", async () => {
  const leaving = new AbortController();
  // Healed tokens are charged as the prompt that they are, and computed as part of the answer.
  const plain = { token_healing: false, temperature: 0, stream: true };
  const body = { model: "tiny", prompt: FIFTEEN, max_tokens: 3_000, ...plain };
  const answer = post(server.url, COMPLETIONS, body, {}, leaving.signal);
  await eventually("text comes", async () => (await computed()).completion > 50);

  leaving.abort();

  await expect(answer).rejects.toThrow();
  await eventually("the call is in the account", async () => (await usage()).length > 0);
  const { prompt, completion } = await computed();
  expect(await usage()).toMatchObject([{ promptTokens: prompt, completionTokens: completion, estimates: 0 }]);
});
