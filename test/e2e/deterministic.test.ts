/** Same seed and request, same text: with and without neighbours, with and without cached prefixes. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { COMPLETIONS, post, textOf } from "../support/calls.ts";
import { startTinyServer, type TinyServer } from "../support/tiny-server.ts";

let server: TinyServer;
beforeAll(async () => {
  server = await startTinyServer({ tiny: {} }, { args: ["--deterministic", "--slots", "4"] });
});
afterAll(() => server?.stop());

const request = (index: number) => ({
  model: "qwen-coder-turbo",
  prompt: `<|fim_prefix|># file ${index}\n${"value = 1\n".repeat(20 * index)}<|fim_suffix|>return value<|fim_middle|>`,
  temperature: index % 2 === 0 ? 0 : 1,
  seed: index,
  max_tokens: 48,
});

test("neighbours, earlier requests and their cached prefixes never change a text", async () => {
  const requests = [1, 2, 3, 4, 5, 6].map(request);
  const alone: string[] = [];
  for (const body of requests) alone.push(textOf((await post(server.url, COMPLETIONS, body)).json));

  for (let round = 0; round < 3; round += 1) {
    const order = [...requests.keys()].sort((a, b) => ((a * 7 + round) % 6) - ((b * 7 + round) % 6));
    const texts = await Promise.all(
      order.map(async (index) => textOf((await post(server.url, COMPLETIONS, requests[index])).json)),
    );
    expect(texts).toEqual(order.map((index) => alone[index]));
  }

  expect(new Set(alone).size).toBe(6);
});

test("without a seed two samples differ", async () => {
  const body = { ...request(1), seed: undefined };
  const first = await post(server.url, COMPLETIONS, body);
  const second = await post(server.url, COMPLETIONS, body);

  expect(textOf(first.json)).not.toBe(textOf(second.json));
});
