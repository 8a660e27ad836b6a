/** Limits and usage of a server that runs, set and read by the command line beside it. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AdministeredServer, startAdministeredServer } from "../support/administered-server.ts";
import { CHAT, COMPLETIONS, eventually, type Json, NATIVE, post, postStream } from "../support/calls.ts";

let server: AdministeredServer;
beforeAll(async () => {
  server = await startAdministeredServer();
});
afterAll(async () => {
  await server?.stop();
});

/** Sums by model, once so many requests are in the account. */
async function usageOf(requests: number): Promise<Json> {
  let usage: Json;
  await eventually(`${requests} requests are in the account`, async () => {
    usage = JSON.parse(await server.continuo("usage", "--json")).usage;
    return usage[0]?.requests === requests;
  });
  return usage;
}

test("what was used is in the account, and a limit set beside the server holds", async () => {
  const messages = [{ role: "user", content: "hello" }];
  const answers = [
    (await post(server.url, COMPLETIONS, { model: "tiny", prompt: "a b", max_tokens: 5 })).json.usage,
    (await post(server.url, CHAT, { model: "tiny", messages, max_tokens: 4 })).json.usage,
    (await post(server.url, NATIVE, { model: "tiny", input: { messages }, parameters: { max_tokens: 3 } })).json.usage,
  ];
  const streamed = await postStream(server.url, COMPLETIONS, {
    ...{ model: "tiny", prompt: "a b", max_tokens: 5, stream_options: { include_usage: true } },
  });
  const last = streamed.events.at(-1).usage;
  await post(server.url, COMPLETIONS, { model: "tiny", prompt: "a", max_tokens: -1 });

  const [sum] = await usageOf(4);

  const total = [...answers, last].reduce((tokens: number, usage: Json) => tokens + usage.total_tokens, 0);
  expect(sum.promptTokens + sum.completionTokens).toBe(total);
  expect(sum).toMatchObject({ of: "tiny", completionTokens: 17, estimates: 0 });
  expect(await server.continuo("usage", "--by", "workspace")).toMatch(
    new RegExp(`^WORKSPACE +REQUESTS +EST .*\\ndefault +4 +0 .* ${total}\\ntotal +4 +0 .* ${total}\\n$`),
  );

  expect(
    await server.continuo("limits", "set", "default", "ti*", "--requests", "6", "--monthly-tokens", "100000"),
  ).toMatch(new RegExp(`\\ndefault +ti\\* +6 +- +- +100000 +- +0 +${total}\\n$`));
  let answered = 0;
  let refused: Json;
  await eventually("the limit holds", async () => {
    const { status, json } = await post(server.url, COMPLETIONS, { model: "tiny", prompt: "a", max_tokens: 1 });
    if (status === 200) answered += 1;
    else refused = json;
    return status === 429;
  });
  expect(refused.error).toMatchObject({ code: "limit_requests", type: "limit_requests" });
  await usageOf(4 + answered);

  await server.continuo("limits", "remove", "default", "ti*");
  await eventually("the limit is gone", async () => {
    const { status } = await post(server.url, COMPLETIONS, { model: "tiny", prompt: "a", max_tokens: 1 });
    return status === 200;
  });
});

test("what cannot be done is said, with what to do instead", async () => {
  const failure = (...args: string[]) => server.continuo(...args).catch((error: unknown) => error);

  const [nothing, unknown, month] = await Promise.all([
    failure("limits", "set", "default", "tiny"),
    failure("limits", "remove", "default", "tiny"),
    failure("usage", "--since", "yesterday"),
  ]);

  expect(nothing).toMatchObject({ code: 2, stderr: expect.stringContaining("would bound nothing; give it requests") });
  expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining('has no limit for "tiny"') });
  expect(month).toMatchObject({ code: 2, stderr: expect.stringContaining("Expected a time such as 2026-01-31") });
});
