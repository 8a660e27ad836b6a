import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect, test } from "vitest";
import { deltaPart, gate, ScriptedEngine, type Step, saying, startPart } from "../../test/support/scripted-engine.ts";
import { post, type Serving, serve } from "../../test/support/scripted-service.ts";

const PATH = "/v1/completions";

/** Sends a request over a socket of its own. */
function send(port: number, body: unknown): Socket {
  const text = JSON.stringify(body);
  const socket = connect(port, "127.0.0.1");
  // A reset is what some of these tests are about.
  socket.on("error", () => undefined);
  socket.write(`POST ${PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  return socket;
}

async function requestEntry(serving: Serving) {
  return serving.entry(({ msg }) => msg === "request");
}

/** Resolves with a function that waits until the server has seen the end of its next connection, and has acted on it. */
function nextConnection({ service }: Serving): () => Promise<void> {
  const closed = new Promise((resolve) => {
    // Not `once` of "close": a reset is an error first.
    service.app.server.once("connection", (socket: Socket) => socket.once("close", resolve));
  });
  return async () => {
    await closed;
    await new Promise((resolve) => setImmediate(resolve));
  };
}

const stuck = (): Step[] => [startPart(), deltaPart("a"), gate().opened];

test.each([
  ["streamed", { model: "m", prompt: "a", stream: true }],
  ["plain", { model: "m", prompt: "a" }],
  ["with several prompts", { model: "m", prompt: ["a", "b"] }],
])("a client that leaves a call (%s) aborts the engine", async (_case, body) => {
  const engine = new ScriptedEngine(stuck);
  const serving = await serve(engine);
  const gone = nextConnection(serving);
  const socket = send(serving.port, body);
  const call = await engine.call();

  socket.destroy();
  await gone();

  expect(call.signal.aborted).toBe(true);
  expect(await requestEntry(serving)).toMatchObject({ status: 499, outcome: "client_left" });
});

test("a client that resets the connection aborts the engine", async () => {
  const engine = new ScriptedEngine(stuck);
  const serving = await serve(engine);
  const gone = nextConnection(serving);
  const socket = send(serving.port, { model: "m", prompt: "a", stream: true });
  const call = await engine.call();
  await once(socket, "data");

  socket.resetAndDestroy();
  await gone();

  expect(call.signal.aborted).toBe(true);
  expect(await requestEntry(serving)).toMatchObject({ status: 499, outcome: "client_left" });
});

test("a client that leaves while its request waits in the engine's queue aborts it", async () => {
  const engine = new ScriptedEngine(() => [gate().opened]);
  const serving = await serve(engine);
  const gone = nextConnection(serving);
  const socket = send(serving.port, { model: "m", prompt: "a", stream: true });
  const call = await engine.call();

  socket.destroy();
  await gone();

  expect(call.signal.aborted).toBe(true);
  expect(call.said()).toBe(0);
});

test("a client that leaves while the weights are loading never reaches the engine", async () => {
  const loading = gate();
  const engine = new ScriptedEngine(() => saying(["a"]));
  const serving = await serve(engine, { opening: loading.opened });
  const socket = send(serving.port, { model: "m", prompt: "a" });
  await once(socket, "connect");

  socket.destroy();
  const entry = await requestEntry(serving);
  loading.open();

  expect(entry).toMatchObject({ outcome: "client_left" });
  expect(engine.calls).toHaveLength(0);
});

test("a client that leaves in the middle of its body is logged as gone", async () => {
  const serving = await serve(new ScriptedEngine(() => saying(["a"])));
  const socket = connect(serving.port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(`POST ${PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"model"`);
  await once(socket, "connect");
  await once(serving.service.app.server, "request");

  socket.destroy();

  expect(await requestEntry(serving)).toMatchObject({ status: 499, outcome: "client_left" });
});

test("an engine that ignores the abort holds up neither the call nor the server's stop", async () => {
  const engine = new ScriptedEngine(() => saying(["a"]));
  engine.generate = async function* () {
    yield startPart();
    await new Promise(() => undefined);
  };
  const serving = await serve(engine);
  const socket = send(serving.port, { model: "m", prompt: "a" });
  await once(serving.service.app.server, "request");

  socket.destroy();

  expect(await requestEntry(serving)).toMatchObject({ outcome: "client_left" });
});

/** 64 KiB per part. */
const PART_TEXT = "x".repeat(1 << 16);

function endless(): Iterable<Step> {
  return {
    *[Symbol.iterator]() {
      yield startPart();
      for (;;) yield deltaPart(PART_TEXT);
    },
  };
}

/** Resolves once the engine has not been asked for anything in ten rounds of 20 ms: the client's buffers are full. */
async function stalled(said: () => number): Promise<number> {
  for (let before = -1, quiet = 0; ; before = said()) {
    quiet = before === said() ? quiet + 1 : 0;
    if (quiet === 10) return before;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("a client that does not read stops the engine, and reading on sets it going again", async () => {
  const engine = new ScriptedEngine(endless);
  const { port } = await serve(engine);
  const socket = send(port, { model: "m", prompt: "a", stream: true });
  socket.pause();
  const call = await engine.call();

  const pulled = await stalled(call.said);
  socket.resume();
  await once(socket, "data");

  // Socket buffers on both sides hold a few megabytes at most.
  expect(pulled).toBeLessThan(500);
  while (call.said() <= pulled) await once(socket, "data");
  socket.destroy();
  await call.ended;
});

test("a client that leaves without reading ends the call although its buffers are full", async () => {
  const engine = new ScriptedEngine(endless);
  const serving = await serve(engine);
  const socket = send(serving.port, { model: "m", prompt: "a", stream: true });
  socket.pause();
  const call = await engine.call();
  await stalled(call.said);

  socket.destroy();

  await call.ended;
  expect(await requestEntry(serving)).toMatchObject({ outcome: "client_left" });
});

test("a client that stays without reading is given up after the stall limit", async () => {
  const engine = new ScriptedEngine(endless);
  const serving = await serve(engine, { limits: { stallTimeoutMs: 100 } });
  const socket = send(serving.port, { model: "m", prompt: "a", stream: true });
  socket.pause();

  await (await engine.call()).ended;

  expect(await requestEntry(serving)).toMatchObject({ status: 499, outcome: "stalled_reader" });
  socket.destroy();
});

test("a client that stays without reading a plain answer is given up too", async () => {
  const engine = new ScriptedEngine(() => saying(Array.from({ length: 500 }, () => PART_TEXT)));
  const serving = await serve(engine, { limits: { stallTimeoutMs: 100 } });
  const socket = send(serving.port, { model: "m", prompt: "a" });
  socket.pause();

  expect(await requestEntry(serving)).toMatchObject({ outcome: "stalled_reader" });
  socket.destroy();
});

test("every event reaches the client in one piece as soon as it arises", async () => {
  const next = gate();
  const { url } = await serve(
    new ScriptedEngine(() => [startPart(), deltaPart("first"), next.opened, ...saying(["second"]).slice(1)]),
  );
  const response = await post(url + PATH, { model: "m", prompt: "a", stream: true });
  const reader = response.body?.getReader();

  const first = new TextDecoder().decode((await reader?.read())?.value);
  next.open();

  expect(first).toContain('"first"');
  expect(first.endsWith("\n\n")).toBe(true);
  await reader?.cancel();
});
