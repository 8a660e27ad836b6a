import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { never } from "../../../test/support/described-weights.ts";
import { json, LIST, peerServer, QUICK } from "../../../test/support/peer-server.ts";
import { addressOf } from "./address.ts";
import { candidates, NothingFound, probeAddress } from "./probe-address.ts";
import { Upstream, type UpstreamOptions } from "./transport.ts";

/** Made for these tests with openssl, good for a hundred years: a CA, and a server and a client that it vouches for. */
const pem = (name: string): string =>
  readFileSync(new URL(`../../../test/fixtures/tls/${name}`, import.meta.url), "utf8");

describe("an engine behind TLS", () => {
  async function secret(): Promise<string> {
    const server = createServer(
      {
        cert: pem("server.pem"),
        key: pem("server.key"),
        ca: pem("ca.pem"),
        requestCert: true,
        rejectUnauthorized: true,
      },
      (_, response) => response.end('{"data":[]}'),
    ).listen(0, "127.0.0.1");
    onTestFinished(() => void server.close().closeAllConnections());
    await once(server, "listening");
    return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  async function asked(tls: NonNullable<UpstreamOptions["tls"]>): Promise<unknown> {
    const upstream = new Upstream({ name: "peer", url: await secret(), tls, limits: QUICK });
    onTestFinished(() => upstream.close());
    return upstream.json("GET", "/v1/models", 5_000, never);
  }

  test("answers whoever trusts its CA and shows a certificate", async () => {
    const tls = { ca: pem("ca.pem"), cert: pem("client.pem"), key: pem("client.key") };

    await expect(asked(tls)).resolves.toEqual({ data: [] });
  });

  test("is not trusted without its CA, and does not take us without a certificate", async () => {
    await expect(asked({})).rejects.toMatchObject({ code: "model_unavailable" });
    await expect(asked({ ca: pem("ca.pem") })).rejects.toMatchObject({ code: "model_unavailable" });
  });
});

test.each([
  ["http://a:1", "http://a:1", "", "/v1"],
  ["http://a:1/", "http://a:1", "", "/v1"],
  ["https://a/v1/", "https://a", "", "/v1"],
  ["https://a/llm/v1", "https://a", "/llm", "/llm/v1"],
  ["https://a/api/paas/v4", "https://a", "/api/paas/v4", "/api/paas/v4"],
])("the address %s", (url, origin, root, api) => {
  expect(addressOf(url)).toEqual({ origin, root, api });
});

test("a question that takes too long is an error", async () => {
  const peer = await peerServer({ "GET /slow": () => undefined });
  const upstream = new Upstream({ name: "peer", url: peer.url, limits: QUICK });
  onTestFinished(() => upstream.close());

  await expect(upstream.json("GET", "/slow", 50, never)).rejects.toMatchObject({ code: "request_timeout" });
  await peer.to("GET /slow")[0]?.closed;
});

describe("what is at an address", () => {
  const at = (url: string, kind?: string): ReturnType<typeof probeAddress> =>
    probeAddress({ name: "peer", url }, kind, {}, never);

  test("is told by what it answers, never by a name", async () => {
    const plain = await peerServer({ "GET /v1/models": LIST });
    const withVersion = await peerServer({ "GET /v1/models": LIST, "GET /version": json({ version: "0.26.0" }) });

    expect(await at(plain.url)).toMatchObject({ kind: "openai", peer: { model: "their-model" } });
    expect(await at(withVersion.url)).toMatchObject({ kind: "vllm", peer: { program: "vLLM 0.26.0" } });
  });

  test("SGLang and Ollama, of which the former answers on routes of the latter too", async () => {
    const routes = {
      "GET /api/version": json({ version: "0.30.1" }),
      "GET /api/tags": json({ models: [{ name: "coder:latest" }] }),
      "POST /api/show": json({ capabilities: ["completion"] }),
    };
    const ollama = await peerServer({ ...routes, "GET /v1/models": LIST });
    const sglang = await peerServer({
      ...{ ...routes, "GET /v1/models": LIST },
      ...{ "GET /model_info": json({ model_path: "m" }), "GET /server_info": json({ version: "0.5.9" }) },
    });

    expect(await at(ollama.url)).toMatchObject({ kind: "ollama", peer: { program: "Ollama 0.30.1" } });
    expect(await at(sglang.url)).toMatchObject({ kind: "sglang", peer: { program: "SGLang 0.5.9" } });
  });

  test("two services at the same host are told apart by the path", () => {
    const kindsAt = (path: string): readonly string[] =>
      candidates(addressOf(`https://dashscope.aliyuncs.com${path}`)).map(({ kind }) => kind);

    expect(kindsAt("/compatible-mode/v1")).toEqual(["dashscope"]);
    expect(kindsAt("/api/v1/services/aigc/text-generation/generation")).toEqual(["dashscope-native"]);
  });

  test("is not guessed: every kind says why it is none", async () => {
    const nothing = await peerServer({});

    await expect(at(nothing.url)).rejects.toBeInstanceOf(NothingFound);
    await expect(at(nothing.url)).rejects.toThrow(/llama-server: .*404.*\nvllm: .*404.*\nopenai: .*model:/s);
    await expect(at(nothing.url, "vllm")).rejects.toThrow(/^vllm: /);
  });
});
