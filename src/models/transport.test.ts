import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { TransferError, Transport } from "./transport.ts";

const never = new AbortController().signal;

let transport: Transport;
const servers: Server[] = [];

beforeEach(() => {
  transport = new Transport();
});

afterEach(async () => {
  await transport.close();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function failure(url: string): Promise<TransferError> {
  const error = await transport.get({ url, what: "m.gguf" }, never).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(TransferError);
  return error as TransferError;
}

describe("redirects", () => {
  test("secrets stay on the origin, for good once it was left, and ranges go along", async () => {
    const seen: IncomingHttpHeaders[] = [];
    const away = await serve((request, response) => {
      seen.push(request.headers);
      response.writeHead(307, { location: `${home}/last` }).end();
    });
    const home = await serve((request, response) => {
      seen.push(request.headers);
      if (request.url === "/first") response.writeHead(301, { location: "second" }).end();
      else if (request.url === "/second") response.writeHead(302, { location: `${away}/` }).end();
      else response.end("there");
    });

    const secrets = { authorization: "Bearer x", cookie: "s=x" };
    const reply = await transport.get(
      { url: `${home}/first`, what: "m.gguf", secrets, range: { start: 3, end: 8 } },
      never,
    );

    expect(await text(reply.body)).toBe("there");
    expect(seen.map(({ authorization, cookie }) => [authorization, cookie])).toEqual([
      ["Bearer x", "s=x"],
      ["Bearer x", "s=x"],
      [undefined, undefined],
      [undefined, undefined],
    ]);
    expect(seen.map(({ range }) => range)).toEqual(Array(4).fill("bytes=3-7"));
  });

  test("in circles they end", async () => {
    const url = await serve((_request, response) => void response.writeHead(302, { location: "/" }).end());

    expect(await failure(url)).toMatchObject({ isTransient: false, message: expect.stringMatching(/in circles/) });
  });

  test.each(["ftp://example.org/m.gguf", "file:///etc/passwd", "http://["])(
    "to %s are not followed",
    async (location) => {
      const url = await serve((_request, response) => void response.writeHead(302, { location }).end());

      expect((await failure(url)).message).toMatch(/is no web address/);
    },
  );
});

test("the proxy of the environment is used", async () => {
  const proxy = createServer((request, response) => void response.end(`asked for ${request.url}`));
  servers.push(proxy);
  // A tunnel, whose other end is the proxy itself.
  proxy.on("connect", (_request, socket) => {
    socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
    proxy.emit("connection", socket);
  });
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  const { port } = proxy.address() as AddressInfo;
  for (const name of ["http_proxy", "https_proxy", "no_proxy", "NO_PROXY"]) vi.stubEnv(name, undefined);
  vi.stubEnv("HTTP_PROXY", `http://127.0.0.1:${port}`);
  const proxied = new Transport();

  const reply = await proxied.get({ url: "http://hub.invalid/m.gguf", what: "m.gguf" }, never);

  expect(await text(reply.body)).toMatch(/^asked for .*\/m\.gguf$/);
  await proxied.close();
  vi.unstubAllEnvs();
});

describe("what may pass", () => {
  test.each([
    [408, true],
    [429, true],
    [500, true],
    [503, true],
    [400, false],
    [401, false],
    [404, false],
    [416, false],
  ])("%i: %s", async (status, isTransient) => {
    const url = await serve((_request, response) => void response.writeHead(status).end());

    expect(await failure(url)).toMatchObject({ status, isTransient });
  });

  test("the wait that a server asks for, in seconds or as a date", async () => {
    const inAMinute = new Date(Date.now() + 60_000).toUTCString();
    const url = await serve((request, response) => {
      const after = request.url === "/seconds" ? "5" : request.url === "/date" ? inAMinute : "soon";
      response.writeHead(503, { "retry-after": after }).end();
    });

    expect((await failure(`${url}/seconds`)).retryAfterMs).toBe(5000);
    const { retryAfterMs = 0 } = await failure(`${url}/date`);
    expect(retryAfterMs).toBeGreaterThan(55_000);
    expect(retryAfterMs).toBeLessThanOrEqual(60_000);
    expect((await failure(`${url}/words`)).retryAfterMs).toBeUndefined();
  });

  test("a connection that is cut before the answer, and a host that nobody is at", async () => {
    const url = await serve((request) => void request.socket.destroy());

    expect(await failure(url)).toMatchObject({ isTransient: true, message: expect.stringMatching(/was cut/) });
    expect(await failure("http://127.0.0.1:1")).toMatchObject({ isTransient: true });
    expect((await failure("http://127.0.0.1:1")).message).toBe("127.0.0.1:1: nobody answers there");
  });

  test("whoever stops gets the reason back", async () => {
    const stop = new AbortController();
    const url = await serve(() => stop.abort(new Error("enough")));

    await expect(transport.get({ url, what: "m.gguf" }, stop.signal)).rejects.toThrow("enough");
  });
});
