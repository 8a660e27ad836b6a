import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { modelNamed, type Piece, type StreamRequest, servedModels, streamFrom } from "./client.ts";

const REQUEST: StreamRequest = { path: "/v1/completions", body: { model: "m", prompt: "a" } };
const never = new AbortController().signal;
const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

/** A server that answers every request with the handler; its URL. */
async function serverWith(handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(handler).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function pieces(url: string, apiKey?: string): Promise<Piece[]> {
  const all: Piece[] = [];
  const service = apiKey === undefined ? { url } : { url, apiKey };
  for await (const piece of streamFrom(service, REQUEST, never)) all.push(piece);
  return all;
}

const STREAM = Buffer.from(
  [
    ': comment\n\ndata: {"choices":[{"text":"春","index":0,"finish_reason":null}]}',
    'data: {"choices":[{"text":"天","index":0,"finish_reason":"stop"}]}',
    'data: {"choices":[],"usage":{"total_tokens":1}}',
    "data: [DONE]\n\n",
  ].join("\n\n"),
);

test("the same pieces come out, however the network cuts the stream", async () => {
  let cuts: number[] = [];
  const url = await serverWith((_request, response) => {
    const ends = [...cuts, STREAM.length];
    const writeFrom = (from: number): void => {
      const to = ends.shift();
      if (to === undefined) response.end();
      else response.write(STREAM.subarray(from, to), () => writeFrom(to));
    };
    writeFrom(0);
  });

  const positions = fc.uniqueArray(fc.integer({ min: 1, max: STREAM.length - 1 }), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(positions, async (some) => {
      cuts = some.sort((a, b) => a - b);

      expect(await pieces(url)).toEqual([{ text: "春" }, { text: "天" }, { finish: "stop" }]);
    }),
    { numRuns: 40 },
  );
});

test("chat deltas are pieces too, and the key goes along", async () => {
  let authorization: string | undefined;
  const url = await serverWith((request, response) => {
    authorization = request.headers.authorization;
    response.end('data: {"choices":[{"delta":{"role":"assistant"}},{"delta":{"content":"a"}}]}\n\ndata: [DONE]\n\n');
  });

  expect(await pieces(url, "sk-1")).toEqual([{ text: "" }, { text: "a" }]);
  expect(authorization).toBe("Bearer sk-1");
});

test.each([
  ["a refusal", 404, '{"error":{"message":"no such model"}}', "the server refused (404): no such model"],
  [
    "a missing key",
    401,
    '{"error":{"message":"who?"}}',
    "the server refused (401): who?; set CONTINUO_API_KEY to a key of the server",
  ],
  ["a proxy's page", 502, "Bad Gateway", "the server refused (502): Bad Gateway"],
  ["an error within the stream", 200, 'data: {"error":{"message":"engine lost"}}\n\n', "engine lost"],
  [
    "a stream that just ends",
    200,
    'data: {"choices":[{"text":"a"}]}\n\n',
    "ended the stream before the answer was complete",
  ],
])("%s is said", async (_name, status, body, message) => {
  const url = await serverWith((_request, response) => response.writeHead(status).end(body));

  await expect(pieces(url)).rejects.toThrow(message);
});

test("no server at all: the message says how to get one", async () => {
  const url = await serverWith(() => {});
  await new Promise((closed) => servers.pop()?.close(closed));

  await expect(pieces(url)).rejects.toThrow(
    /no server answers at http:\/\/127\.0\.0\.1:\d+ \(ECONNREFUSED\); start one with/,
  );
});

test("an abort closes the connection and throws its reason", async () => {
  const abort = new AbortController();
  let closed: Promise<unknown> = Promise.resolve();
  const url = await serverWith((request, response) => {
    closed = once(request.socket, "close");
    response.write('data: {"choices":[{"text":"a"}]}\n\n');
  });

  const stream = streamFrom({ url }, REQUEST, abort.signal);
  expect(await stream.next()).toEqual({ done: false, value: { text: "a" } });
  abort.abort(new Error("interrupted"));

  await expect(stream.next()).rejects.toThrow("interrupted");
  await closed;
});

test("models with their own weights come before stand-ins, names without weights never", async () => {
  const entry = (id: string, standIn: boolean, answeredBy: string | null) => ({
    id,
    continuo: { stand_in: standIn, answered_by: answeredBy, capabilities: { fim: false } },
  });
  let data = [entry("qwen-plus", true, "tiny"), entry("tiny", false, "tiny"), entry("gone", false, null)];
  const url = await serverWith((_request, response) => response.end(JSON.stringify({ data })));
  const ids = async () => (await servedModels({ url }, never)).map(({ id }) => id);

  expect(await ids()).toEqual(["tiny"]);
  data = [entry("qwen-plus", true, "tiny")];
  expect(await ids()).toEqual(["qwen-plus"]);
});

test("a model that is named is taken from the list, or as it is where there is none", async () => {
  const listing = await serverWith((_request, response) => response.end('{"data":[{"id":"m","created":1}]}'));
  const bare = await serverWith((_request, response) => response.writeHead(404).end());

  expect(await modelNamed({ url: listing }, "m", never)).toEqual({ id: "m", created: 1 });
  expect(await modelNamed({ url: listing }, "n", never)).toEqual({ id: "n" });
  expect(await modelNamed({ url: bare }, "m", never)).toEqual({ id: "m" });
});
