import { expect, test } from "vitest";
import { COMPLETIONS } from "../../test/support/calls.ts";
import {
  AcceptingEngine,
  deltaPart,
  gate,
  ScriptedEngine,
  type Step,
  saying,
  startPart,
} from "../../test/support/scripted-engine.ts";
import { hello, post, serve, streamed } from "../../test/support/scripted-service.ts";

test("a plain call cut by the time limit returns what there is, with finish_reason null", async () => {
  const engine = new ScriptedEngine(() => [startPart(), deltaPart("so far"), gate().opened]);
  const { url } = await serve(engine, { limits: { plainTimeoutMs: 100 } });

  const response = await post(url + COMPLETIONS, hello);

  expect(response.status).toBe(200);
  expect(response.headers.get("x-dashscope-partialresponse")).toBe("true");
  expect(await response.json()).toMatchObject({ choices: [{ text: "so far", finish_reason: null }] });
  await (await engine.call()).ended;
});

test.each([
  ["nothing generated", [startPart(), gate().opened]],
  ["not even started", [gate().opened]],
])("a plain call cut by the time limit with %s is a request timeout", async (_case, script) => {
  const { url } = await serve(new ScriptedEngine(() => script), { limits: { plainTimeoutMs: 50 } });

  const response = await post(url + COMPLETIONS, hello);

  expect(response.status).toBe(500);
  expect(await response.json()).toMatchObject({ error: { code: "request_timeout" } });
});

test("the time limit of plain calls does not cut streams", async () => {
  const more = gate();
  const engine = new ScriptedEngine(() => [startPart(), deltaPart("a"), more.opened, ...saying(["b"]).slice(1)]);
  const { url } = await serve(engine, { limits: { plainTimeoutMs: 20, heartbeatMs: 30 } });

  const response = await post(url + COMPLETIONS, streamed);
  const reader = new EventText(response);
  // Two heartbeats later the time limit would have passed.
  await reader.until((text) => text.split(": keep-alive\n\n").length > 2);
  more.open();

  expect(await reader.rest()).toContain("[DONE]");
});

test.each([
  ["first token", { firstTokenTimeoutMs: 50 }, [startPart(), gate().opened], 500],
  ["next token", { idleTimeoutMs: 50 }, [startPart(), deltaPart("a"), gate().opened], 200],
])("a stream whose %s is too long in coming is a request timeout", async (_case, limits, script, status) => {
  const engine = new ScriptedEngine(() => script);
  const { url } = await serve(engine, { limits });

  const response = await post(url + COMPLETIONS, streamed);

  expect(response.status).toBe(status);
  expect(await response.text()).toContain('"code":"request_timeout"');
  await (await engine.call()).ended;
});

test("a stream that has nothing to say sends comment lines", async () => {
  const shut = gate();
  const { url } = await serve(new ScriptedEngine(() => [startPart(), shut.opened, ...saying(["a"]).slice(1)]), {
    limits: { heartbeatMs: 20 },
  });

  const response = await post(url + COMPLETIONS, streamed);
  const reader = new EventText(response);
  await reader.until((text) => text.startsWith(": keep-alive\n\n: keep-alive\n\n"));
  shut.open();

  expect(await reader.rest()).toContain("[DONE]");
});

const BATCH = { ...streamed, prompt: ["a", "b", "c", "d"] };

test("a batch sends the text of its first prompts while the others wait, and comment lines meanwhile", async () => {
  const shut = gate();
  const engine = new AcceptingEngine(() => [startPart(), deltaPart("first"), shut.opened, ...saying([]).slice(1)]);
  const { url } = await serve(engine, { limits: { promptConcurrency: 2, heartbeatMs: 20 } });

  const reader = new EventText(await post(url + COMPLETIONS, BATCH));
  await reader.until((text) => text.includes('"index":1'));
  await reader.until((text) => text.endsWith(": keep-alive\n\n: keep-alive\n\n"));

  expect(engine.calls).toHaveLength(2);
  shut.open();
  expect(await reader.rest()).toContain('"index":3');
});

test("a batch that has nothing to say yet sends comment lines as soon as it is accepted", async () => {
  const shut = gate();
  const engine = new AcceptingEngine(() => [startPart(), shut.opened, ...saying(["a"]).slice(1)]);
  const { url } = await serve(engine, { limits: { promptConcurrency: 1, heartbeatMs: 20 } });

  const reader = new EventText(await post(url + COMPLETIONS, BATCH));
  await reader.until((text) => text.startsWith(": keep-alive\n\n"));

  expect(engine.calls).toHaveLength(1);
  shut.open();
  await reader.rest();
});

test("the limit for the first token spares a batch of answers without one", async () => {
  const { url } = await serve(new AcceptingEngine(() => [startPart(), later(200), ...saying([]).slice(1)]), {
    limits: { promptConcurrency: 1, firstTokenTimeoutMs: 600 },
  });

  const response = await post(url + COMPLETIONS, BATCH);

  expect(await response.text()).toContain("[DONE]");
});

test("between a prompt's last token and the next one's first, the limit is that of a first token", async () => {
  const engine = new AcceptingEngine(() => [startPart(), later(100), ...saying(["a"]).slice(1)]);
  const { url } = await serve(engine, {
    limits: { promptConcurrency: 1, firstTokenTimeoutMs: 5_000, idleTimeoutMs: 50 },
  });

  const response = await post(url + COMPLETIONS, BATCH);

  expect(await response.text()).toContain("[DONE]");
});

function later(ms: number): Step {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Text of a response as it arrives. */
class EventText {
  readonly #chunks: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = "";

  constructor(response: Response) {
    if (response.body === null) throw new Error("the response has no body");
    this.#chunks = response.body.getReader();
  }

  async until(fits: (text: string) => boolean): Promise<void> {
    while (!fits(this.#text)) if (!(await this.#more())) throw new Error(`the stream ended with ${this.#text}`);
  }

  async rest(): Promise<string> {
    while (await this.#more());
    return this.#text;
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#chunks.read();
    if (!done) this.#text += this.#decoder.decode(value, { stream: true });
    return !done;
  }
}
