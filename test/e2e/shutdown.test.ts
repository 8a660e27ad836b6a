/** A server that is told to stop finishes what it has begun, and says nothing of errors. */
import { expect, test } from "vitest";
import { eventually, metric, postStream, type Streamed } from "../support/calls.ts";
import { startTinyServer, type TinyServer } from "../support/tiny-server.ts";

/** Slow enough that an answer is still running when the signal comes. */
const SLOW = { layers: 6, width: 192, heads: 6, kvHeads: 2, feedForward: 768 };

/** Begins a stream of up to so many tokens; `answer` is how it ends, `undefined` when it breaks off. */
async function begin({ url }: TinyServer, maxTokens: number): Promise<{ answer: Promise<Streamed | undefined> }> {
  const body = { model: "tiny", prompt: "hello", temperature: 0, max_tokens: maxTokens };
  const answer = postStream(url, "/v1/completions", body).catch(() => undefined);
  await eventually("the engine works", async () => (await metric(url, "continuo_engine_running")) === 1);
  return { answer };
}

test("with nothing to do it ends well, and without a word of error", async () => {
  const server = await startTinyServer();

  expect(await server.stop(), server.log()).toBe(0);
  expect(server.log()).toMatch(/Stopping \(SIGTERM\): [^\n]*\n$/);
});

test("an answer that is under way is finished first", async () => {
  const server = await startTinyServer({ tiny: { shape: SLOW } });
  const { answer } = await begin(server, 200);

  expect(await server.stop(), server.log()).toBe(0);
  expect(await answer).toMatchObject({ status: 200, done: true });
  expect((await answer)?.events.at(-1).choices[0].finish_reason).toBe("length");
  expect(server.log()).not.toContain("Error");
});

test("told a second time it stops at once, and cuts the answer", async () => {
  const server = await startTinyServer({ tiny: { shape: SLOW } });
  const { answer } = await begin(server, 4_000);

  process.kill(server.pid, "SIGTERM");
  await eventually("it was told", async () => server.log().includes("Stopping (SIGTERM)"));

  expect(await server.stop(), server.log()).toBe(130);
  expect((await answer)?.events.at(-1)?.choices?.[0]?.finish_reason).not.toBe("length");
  expect(server.log()).toMatch(/Stopping at once\.\n/);
  expect(server.log()).not.toMatch(/^\w*Error: /m);
});
