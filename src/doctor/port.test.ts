import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { afterEach, expect, test } from "vitest";
import { examinePort } from "./port.ts";

const servers: Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.close();
    await once(server, "close");
  }
});

async function listening(server: Server): Promise<number> {
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port; // listening on TCP
}

function answering(body: unknown): Promise<number> {
  const answer: RequestListener = (_request, response) => {
    response.setHeader("connection", "close");
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  };
  return listening(createServer(answer));
}

test("a port that nobody has is free, and stays free", async () => {
  const server = createTcpServer();
  const port = await listening(server);
  servers.length = 0;
  server.close();
  await once(server, "close");

  expect(await examinePort("127.0.0.1", port)).toMatchObject({ state: "ok", found: `127.0.0.1:${port} is free` });
  expect(await examinePort("127.0.0.1", port)).toMatchObject({ state: "ok" });
});

test("port 0 needs nobody's leave", async () => {
  expect(await examinePort("127.0.0.1", 0)).toMatchObject({ state: "ok" });
});

test.each([["no JSON"], [{ status: "ok" }], [[]]])(
  "a server whose /health says %j is another program",
  async (body) => {
    const port = await answering(body);

    expect(await examinePort("127.0.0.1", port)).toMatchObject({
      state: "problem",
      found: `another program listens on 127.0.0.1:${port}`,
    });
  },
);

test("a Continuo that runs there already is named with its models", async () => {
  const engines = [{ name: "coder", state: "ready", detail: "" }];
  const port = await answering({ status: "ok", version: "1.2.3", engines });

  expect(await examinePort("127.0.0.1", port)).toMatchObject({
    state: "ok",
    found: `Continuo 1.2.3 is running on 127.0.0.1:${port} (coder ready)`,
  });
});

test("a model that has failed there is a warning with its reason", async () => {
  const engines = [{ name: "coder", state: "failed", detail: "no memory" }];
  const port = await answering({ status: "ok", version: "1.2.3", engines });

  expect(await examinePort("127.0.0.1", port)).toMatchObject({ state: "warning", advice: "coder: no memory" });
});

test("a model that has failed there without a reason that everybody may know is a warning that says where it is told", async () => {
  const engines = [{ name: "coder", state: "failed", detail: null }];
  const port = await answering({ status: "ok", version: "1.2.3", engines });

  expect(await examinePort("127.0.0.1", port)).toMatchObject({
    state: "warning",
    advice: "coder: its log says why, and /health to an admin key",
  });
});

test("an address of another machine is a problem", async () => {
  expect(await examinePort("192.0.2.1", 8100)).toMatchObject({ state: "problem" });
});
