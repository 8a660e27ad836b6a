import { expect, test } from "vitest";
import { load } from "../../test/support/configuration.ts";
import { LIST, peerServer } from "../../test/support/peer-server.ts";
import { examineEngines } from "./engine-elsewhere.ts";

test("what every engine can do, and which of them nobody uses", async () => {
  const peer = await peerServer({ "GET /v1/models": LIST });
  const gone = await peerServer({});
  await gone.stop();
  const config = load(`engines:
  here: { kind: openai, url: "${peer.url}", prefix: partial }
  gone: { kind: vllm, url: "${gone.url}" }
  idle: { kind: vllm, url: "${gone.url}" }
models:
  one: { engine: here }
  two: { engine: gone }
`);

  const findings = await Promise.all(examineEngines(config));

  expect(findings).toMatchObject([
    { what: "model one", state: "ok", found: expect.stringContaining("chat and Partial Mode") },
    { what: "model two", state: "problem", found: expect.stringContaining("nobody answers there") },
    { what: "engine idle", state: "warning", found: "no model names it" },
  ]);
});
