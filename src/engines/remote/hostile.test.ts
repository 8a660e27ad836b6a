import { describe, expect, test } from "vitest";
import { never } from "../../../test/support/described-weights.ts";
import {
  bytes,
  completionChunk,
  drained,
  engineAt,
  events,
  hear,
  json,
  LIST,
  type PeerAnswer,
  peerServer,
  QUICK,
  remoteRequest,
  usageChunk,
} from "../../../test/support/peer-server.ts";

const HELLO = `data: ${JSON.stringify(completionChunk("Hello"))}\n\n`;
const LIMITS = { ...QUICK, firstTokenMs: 300, idleMs: 300 };

async function heard(answer: PeerAnswer): ReturnType<typeof hear> {
  const peer = await peerServer({ "GET /v1/models": LIST, "POST /v1/completions": answer });
  const engine = engineAt("openai", peer.url, { limits: LIMITS });
  return hear(engine.generate(remoteRequest(), never));
}

function typed(type: string | undefined, body: string): PeerAnswer {
  return (_, response) => response.writeHead(200, type === undefined ? {} : { "content-type": type }).end(body);
}

const hang: PeerAnswer = (_, response) =>
  void response.writeHead(200, { "content-type": "text/event-stream" }).write(HELLO);

/** 100 MB without a line end, for as long as anybody reads. */
const endless: PeerAnswer = async (_, response) => {
  response.writeHead(200, { "content-type": "text/event-stream" }).write("data: ");
  const piece = Buffer.alloc(1 << 20, "x");
  for (let sent = 0; sent < 100 && !response.destroyed; sent += 1) {
    if (!response.write(piece)) await drained(response);
  }
  response.end();
};

describe("an engine that answers with something else ends in an error, and never in silence", () => {
  test.each<[string, PeerAnswer, string, string]>([
    ["garbage for events", bytes("data: <html>\n\n"), "internal", ""],
    ["garbage behind text", bytes(HELLO, "data: {]\n\n"), "internal", "Hello"],
    ["half an event", bytes(HELLO, 'data: {"choices":[{"te'), "internal", "Hello"],
    ["no event at all", bytes(""), "internal", ""],
    ["a line of 100 MB", endless, "internal", ""],
    ["a page", typed("text/html", "<html>"), "internal", ""],
    ["no content type", typed(undefined, HELLO), "internal", ""],
    ["status 200 and an error", json({ error: { message: "overloaded", code: 503 } }), "model_unavailable", ""],
    [
      "an error within the stream",
      bytes(HELLO, 'data: {"error":{"message":"out of memory"}}\n\n'),
      "internal",
      "Hello",
    ],
    [
      "an empty finish reason for ever",
      events(completionChunk("Hello", ""), completionChunk("", "")),
      "internal",
      "Hello",
    ],
    ["no finish reason", events(completionChunk("Hello")), "internal", "Hello"],
    ["an unknown finish reason", events(completionChunk("Hello"), completionChunk("", "abort")), "internal", "Hello"],
    ["no terminal event", bytes(HELLO), "internal", "Hello"],
    ["events of another kind", events({ hello: "world" }), "internal", ""],
    ["nothing, and no end", (_, response) => void response, "request_timeout", ""],
    ["some text, and no end", hang, "request_timeout", "Hello"],
    ["a cut connection", (_, response) => response.socket?.destroy(), "model_unavailable", ""],
    [
      "a connection cut behind text",
      async (call, response) => {
        await hang(call, response);
        await new Promise((resolve) => setImmediate(resolve));
        response.socket?.destroy();
      },
      "model_unavailable",
      "Hello",
    ],
  ])("%s", async (_name, answer, code, text) => {
    const { text: said, parts, error } = await heard(answer);

    expect(error).toMatchObject({ code });
    expect(said).toBe(text);
    // What was generated is charged, as an estimate.
    if (text === "") expect(parts.filter(({ type }) => type === "usage")).toEqual([]);
    else expect(parts.at(-1)).toMatchObject({ type: "usage", usage: { completionTokens: 1, source: "estimate" } });
  });
});

describe("an engine that is only careless is understood", () => {
  test("usage twice: the last one counts", async () => {
    const { parts, error } = await heard(events(completionChunk("Hi", "stop"), usageChunk(3, 1), usageChunk(4, 2)));

    expect(error).toBeUndefined();
    expect(parts.at(-1)).toEqual({ type: "usage", usage: { promptTokens: 4, completionTokens: 2, source: "engine" } });
  });

  test("no usage: an estimate, and it says so", async () => {
    const { parts } = await heard(events(completionChunk("Hi"), completionChunk(" you", "stop")));

    expect(parts.at(-1)).toEqual({
      type: "usage",
      usage: { promptTokens: 2, completionTokens: 2, source: "estimate" },
    });
  });

  test("text behind the end is not part of the answer", async () => {
    const { text } = await heard(events(completionChunk("Hi", "stop"), completionChunk(" more", "stop")));

    expect(text).toBe("Hi");
  });

  test("a connection that stays open behind the end keeps nobody waiting", async () => {
    const last = `data: ${JSON.stringify(completionChunk("", "length"))}\n\n`;
    const { text, error } = await heard((_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).write(HELLO + last);
    });

    expect(error).toBeUndefined();
    expect(text).toBe("Hello");
  });

  test("nor does one on which something comes again and again", async () => {
    const last = `data: ${JSON.stringify(completionChunk("", "length"))}\n\n`;
    const { text, error } = await heard((_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).write(HELLO + last);
      const pings = setInterval(() => response.write(": ping\n\n"), 50);
      response.once("close", () => clearInterval(pings));
    });

    expect(error).toBeUndefined();
    expect(text).toBe("Hello");
  });

  test("comments between events, and an event without the empty line behind it", async () => {
    const end = `data: ${JSON.stringify(completionChunk("", "stop"))}\n`;
    const { text, error } = await heard(bytes(": ping\n\n", HELLO, ": ping\n\n", end));

    expect(error).toBeUndefined();
    expect(text).toBe("Hello");
  });
});

describe("limits", () => {
  test("nobody there: an error at once, with the reason", async () => {
    const peer = await peerServer({});
    await peer.stop();

    const { error } = await hear(engineAt("openai", peer.url).generate(remoteRequest(), never));

    expect(error).toMatchObject({ code: "model_unavailable" });
    expect(String(error)).toContain("nobody answers there");
  });

  test("the whole answer has a limit of its own", async () => {
    const drip: PeerAnswer = (_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      const timer = setInterval(() => response.write(HELLO), 20);
      response.once("close", () => clearInterval(timer));
    };
    const peer = await peerServer({ "GET /v1/models": LIST, "POST /v1/completions": drip });
    const engine = engineAt("openai", peer.url, { limits: { ...LIMITS, totalMs: 250 } });

    const { error, text } = await hear(engine.generate(remoteRequest(), never));

    expect(error).toMatchObject({ code: "request_timeout" });
    expect(text).toMatch(/^(Hello)+$/);
  });
});
