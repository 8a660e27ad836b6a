import { expect, test } from "vitest";
import { deltaPart, gate, ScriptedEngine, saying, startPart } from "../../test/support/scripted-engine.ts";
import { post, serve } from "../../test/support/scripted-service.ts";

const PATH = "/v1/completions";
const hello = { model: "m", prompt: "say hello" };
const streamed = { ...hello, stream: true };

test("while draining, running streams finish and new requests are refused", async () => {
  const more = gate();
  const engine = new ScriptedEngine(() => [startPart(), deltaPart("a"), more.opened, ...saying(["b"]).slice(1)]);
  const { url, service } = await serve(engine);
  const running = await post(url + PATH, streamed);

  const drained = service.drain(60_000);
  const ready = await fetch(`${url}/ready`);
  const refused = await post(url + PATH, hello);
  more.open();
  const text = await running.text();
  await drained;

  expect(ready.status).toBe(503);
  expect(await ready.json()).toMatchObject({ ready: false, reason: expect.stringContaining("draining") });
  expect(refused.status).toBe(503);
  expect(refused.headers.get("retry-after")).toBe("5");
  expect(refused.headers.get("connection")).toBe("close");
  expect(await refused.json()).toMatchObject({ error: { code: "ModelServingError" } });
  expect(text).toContain("[DONE]");
  await expect(fetch(`${url}/health`)).rejects.toThrow();
});

test("a stream that outlasts the grace period ends with an error event", async () => {
  const engine = new ScriptedEngine(() => [startPart(), deltaPart("a"), gate().opened]);
  const { url, service } = await serve(engine);
  const running = await post(url + PATH, streamed);

  await service.drain(20);

  const text = await running.text();
  expect(text).toContain('"code":"ModelServingError"');
  expect(text).not.toContain("[DONE]");
  await (await engine.call()).ended;
});

test("a plain call that outlasts the grace period is answered with 503", async () => {
  const engine = new ScriptedEngine(() => [startPart(), deltaPart("a"), gate().opened]);
  const { url, service } = await serve(engine);
  const answer = post(url + PATH, hello);
  await engine.call();

  await service.drain(20);

  expect((await answer).status).toBe(503);
});

test("a second, shorter drain cuts what the first one waits for", async () => {
  const engine = new ScriptedEngine(() => [startPart(), deltaPart("a"), gate().opened]);
  const { url, service } = await serve(engine);
  const running = await post(url + PATH, streamed);

  const first = service.drain(3_600_000);
  await service.drain(0);
  await first;

  expect(await running.text()).toContain('"code":"ModelServingError"');
});

test("draining an idle server closes it at once", async () => {
  const { url, service } = await serve(new ScriptedEngine(() => saying(["a"])));
  await (await post(url + PATH, hello)).text();

  await service.drain(3_600_000);

  await expect(fetch(`${url}/health`)).rejects.toThrow();
});
