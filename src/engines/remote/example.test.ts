/** The worked example of docs/engines.md: it is what is compiled here, and it works. */
import { readFileSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { never } from "../../../test/support/described-weights.ts";
import { example } from "../../../test/support/example-engine.ts";
import { bytes, hear, json, peerServer, QUICK, remoteRequest } from "../../../test/support/peer-server.ts";
import { RemoteEngine } from "./remote-engine.ts";
import { Upstream } from "./transport.ts";

const SOURCE = readFileSync(new URL("../../../test/support/example-engine.ts", import.meta.url), "utf8");

test.each(["engines.md", "engines.zh-CN.md"])("docs/%s shows it as it is", (page) => {
  const shown = readFileSync(new URL(`../../../docs/${page}`, import.meta.url), "utf8");
  const moved = SOURCE.replaceAll("../../src/engines/remote/", "./").replaceAll("../../src/", "../../");

  expect(shown).toContain(`\`\`\`ts\n${moved}\`\`\``);
});

test("it continues text, reports what has no effect, and refuses what it cannot do", async () => {
  const peer = await peerServer({
    "GET /model": json({ name: "weights" }),
    "POST /continue": bytes('data: {"add":" up"}\n\ndata: {"add":"on"}\n\n', 'data: {"end":"eos"}\n\n'),
  });
  const upstream = new Upstream({ name: "peer", url: peer.url, limits: QUICK });
  const engine = new RemoteEngine({
    model: { name: "mine", fimLayouts: [], fields: new Set() },
    adapter: example,
    upstream,
    report: () => {},
    after: () => () => {},
  });
  onTestFinished(async () => {
    await engine[Symbol.asyncDispose]();
    await upstream.close();
  });
  const ask = (over = {}) => hear(engine.generate(remoteRequest(over), never));
  const { text, parts } = await ask({ sampling: { temperature: 0, seed: 7 } });

  expect(text).toBe(" upon");
  expect(parts[0]).toMatchObject({ type: "start", model: "weights", ignored: ["seed"] });
  expect(parts.at(-2)).toEqual({ type: "finish", choice: 0, reason: "stop", raw: "eos" });
  expect(peer.to("POST /continue")[0]?.body).toEqual({ text: "Once", heat: 0, most: 16 });
  expect((await ask({ input: { kind: "chat", messages: [] } })).error).toMatchObject({ code: "unsupported_input" });
});
